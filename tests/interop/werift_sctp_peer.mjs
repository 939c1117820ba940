// A WebRTC data channel end that shares no code with offhook: werift's SCTP and DCEP, without ICE and DTLS. SCTP packets
// come on stdin and go to stdout, each behind its length in two bytes. It opens the channel "oai-events", sends back what
// it hears on any channel, and closes a channel on which it hears "close".
import { Event, RTCDataChannel, RTCDataChannelParameters, RTCSctpTransport } from "werift";

const dtls = {
  id: "stdin and stdout",
  // The role that a client of an ICE-lite endpoint has; werift sends INIT in it.
  iceTransport: { role: "controlling" },
  onStateChange: new Event(),
  dataReceiver: () => {},
  sendData: async (packet) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(packet.length);
    process.stdout.write(Buffer.concat([length, packet]));
  },
};

let buffered = Buffer.alloc(0);
process.stdin.on("data", (bytes) => {
  buffered = Buffer.concat([buffered, bytes]);
  while (buffered.length >= 2 && buffered.length >= 2 + buffered.readUInt16BE(0)) {
    const end = 2 + buffered.readUInt16BE(0);
    dtls.dataReceiver(buffered.subarray(2, end));
    buffered = buffered.subarray(end);
  }
});
process.stdin.on("end", () => process.exit(0));

function echo(channel) {
  channel.onMessage.subscribe((message) => (message === "close" ? channel.close() : channel.send(message)));
}

const transport = new RTCSctpTransport();
transport.setDtlsTransport(dtls);
transport.onDataChannel.subscribe(echo);
await transport.start(5000);
echo(new RTCDataChannel(transport, new RTCDataChannelParameters({ label: "oai-events" })));
