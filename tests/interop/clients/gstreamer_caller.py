"""GStreamer's webrtcbin: WebRTC on libnice, OpenSSL and usrsctp, as in kiosks and cameras. It has no ICE restart.

python3 gstreamer_caller.py HTTP API_KEY DATA_DIRECTORY

Runs in the system's Python, for which Debian builds the bindings.
"""

import base64
import itertools
import queue
import sys
import threading
import time
import wave
from pathlib import Path
from typing import Any

import gi

for _name in ("Gst", "GstSdp", "GstWebRTC"):
    gi.require_version(_name, "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402 - gi wants the versions first
from whip import (  # noqa: E402 - the same
    EVENT_MESSAGES,
    EVENTS,
    GOODBYE_S,
    HANG_UP_SEEN_WITHIN_S,
    OTHER,
    OTHER_MESSAGES,
    PATIENCE_S,
    Call,
    print_findings,
)

FRAME_S = 0.02
FRAME_NS = 20_000_000
# Enough for the encoder to say what it makes, which the offer names. More would pile up before there is a path, and all
# that follows would come back as much later.
FRAMES_BEFORE_THE_PATH = 5
SAMPLE_BYTES = 2
SPOKEN_RATE = 16_000
HEARD_RATE = 48_000
MOUTH = f"""
webrtcbin name=rtc bundle-policy=max-bundle
appsrc name=mouth is-live=true format=time
    caps=audio/x-raw,format=S16LE,layout=interleaved,rate={SPOKEN_RATE},channels=1
! audioconvert ! audioresample ! opusenc ! rtpopuspay pt=111
! application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=111 ! rtc.
"""
EAR = f"""
queue ! rtpopusdepay ! opusdec plc=true ! audioconvert ! audioresample
! audio/x-raw,format=S16LE,rate={HEARD_RATE},channels=1 ! appsink name=ear emit-signals=true sync=false
"""
OVER = (
    GstWebRTC.WebRTCPeerConnectionState.DISCONNECTED,
    GstWebRTC.WebRTCPeerConnectionState.FAILED,
    GstWebRTC.WebRTCPeerConnectionState.CLOSED,
)


class Channel:
    """A data channel whose messages are read one by one."""

    def __init__(self, channel: Any, on_close: Any) -> None:
        self._channel = channel
        self._inbox: queue.Queue[str | bytes] = queue.Queue()
        self.opened = threading.Event()
        channel.connect("on-open", lambda _: self.opened.set())
        channel.connect("on-close", on_close)
        channel.connect("on-message-string", lambda _, text: self._inbox.put(text or ""))
        channel.connect("on-message-data", lambda _, data: self._inbox.put(data.get_data() if data else b""))

    def echoes(self, messages: tuple[str | bytes, ...]) -> bool:
        if not self.opened.wait(PATIENCE_S):
            raise TimeoutError("the channel did not open")
        return all(self._echo(message) == message for message in messages)

    def _echo(self, message: str | bytes) -> str | bytes:
        if isinstance(message, str):
            self._channel.emit("send-string", message)
        else:
            self._channel.emit("send-data", GLib.Bytes.new(message))
        return self._inbox.get(timeout=PATIENCE_S)


class Peer:
    """One side of a call, with the given data channels. Speaks as soon as it is connected, silence at first."""

    def __init__(self, speech: bytes, *labels: str) -> None:
        self._speech = speech
        self._said = 0
        self._speaking = self._closed = False
        self._heard: list[tuple[int, bytes]] = []
        self._connected, self._ended = threading.Event(), threading.Event()
        self._pipeline = Gst.parse_launch(MOUTH)
        self._rtc, self._mouth = map(self._pipeline.get_by_name, ("rtc", "mouth"))
        # Kept, because the bindings take the agent's first, floating reference for their own.
        self._ice = self._rtc.get_property("ice-agent")
        # libnice binds each socket to one interface, of which loopback is none unless it is told so.
        self._ice.emit("add-local-ip-address", "127.0.0.1")
        self._ice.get_property("agent").set_property("upnp", False)
        self._rtc.connect("notify::connection-state", self._state_changed)
        self._rtc.connect("pad-added", self._pad_added)
        self._pipeline.set_state(Gst.State.PLAYING)
        self._mouthing = threading.Thread(target=self._feed, daemon=True)
        self._mouthing.start()
        self.channels = {label: self._open(label) for label in labels}

    def _open(self, label: str) -> Channel:
        return Channel(self._rtc.emit("create-data-channel", label, None), lambda _: self._ended.set())

    def _state_changed(self, rtc: Any, _property: Any) -> None:
        state = rtc.get_property("connection-state")
        if state == GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            self._connected.set()
        elif state in OVER:
            self._ended.set()

    def _transport_changed(self, transport: Any, _property: Any) -> None:
        if transport.get_property("state") == GstWebRTC.WebRTCDTLSTransportState.CLOSED:
            self._ended.set()

    def _pad_added(self, _rtc: Any, pad: Any) -> None:
        if pad.direction != Gst.PadDirection.SRC:
            return
        ear = Gst.parse_bin_from_description(EAR, True)
        ear.get_by_name("ear").connect("new-sample", self._hear)
        self._pipeline.add(ear)
        ear.sync_state_with_parent()
        pad.link(ear.get_static_pad("sink"))

    def _hear(self, ear: Any) -> Any:
        buffer = ear.emit("pull-sample").get_buffer()
        self._heard.append((buffer.pts, buffer.extract_dup(0, buffer.get_size())))
        return Gst.FlowReturn.OK

    def _feed(self) -> None:
        size = int(SPOKEN_RATE * FRAME_S) * SAMPLE_BYTES
        due = time.monotonic()
        for number in itertools.count():
            if number == FRAMES_BEFORE_THE_PATH:
                self._connected.wait(PATIENCE_S)
                due = time.monotonic()
            if self._closed:
                return
            frame = b""
            if self._speaking:
                frame = self._speech[self._said : self._said + size]
                self._said += size
            buffer = Gst.Buffer.new_wrapped(frame.ljust(size, b"\0"))
            # By the sample, and not by when we came to it: where this thread is late the encoder would hear gaps and
            # overlaps, and put them into its RTP timestamps.
            buffer.pts, buffer.duration = number * FRAME_NS, FRAME_NS
            self._mouth.emit("push-buffer", buffer)
            due += FRAME_S
            time.sleep(max(0.0, due - time.monotonic()))

    def place(self, http: str, api_key: str) -> Call:
        reply = self._ask("create-offer", None)
        # The description lives in the reply, which therefore has to outlive it.
        offer = reply.get_value("offer")
        self._ask("set-local-description", offer)
        call = Call(http, api_key, offer.sdp.as_text())
        _, answer = GstSdp.SDPMessage.new_from_text(call.answer)
        self._ask(
            "set-remote-description",
            GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, answer),
        )
        if not self._connected.wait(PATIENCE_S):
            raise TimeoutError("not connected")
        # The connection itself says nothing of a close_notify.
        receiver = self._rtc.emit("get-transceiver", 0).get_property("receiver")
        receiver.get_property("transport").connect("notify::state", self._transport_changed)
        return call

    def _ask(self, signal: str, argument: object) -> Any:
        promise = Gst.Promise.new()
        self._rtc.emit(signal, argument, promise)
        promise.wait()
        return promise.get_reply()

    def speak(self) -> dict[str, object]:
        self._heard.clear()
        self._speaking = True
        time.sleep(len(self._speech) / SAMPLE_BYTES / SPOKEN_RATE)
        return {
            "form": "samples",
            "sent": base64.b64encode(self._speech).decode(),
            "sent_rate": SPOKEN_RATE,
            "received": base64.b64encode(_joined(self._heard)).decode(),
            "received_rate": HEARD_RATE,
        }

    def sees_the_end(self) -> bool:
        return self._ended.wait(HANG_UP_SEEN_WITHIN_S)

    def close(self) -> None:
        self._closed = True
        self._mouthing.join()
        self._mouth.emit("end-of-stream")
        time.sleep(GOODBYE_S)
        self._pipeline.set_state(Gst.State.NULL)


def _joined(heard: list[tuple[int, bytes]]) -> bytes:
    """What was heard, with silence where nothing was: a lost frame must not move those behind it."""
    joined = bytearray()
    began = heard[0][0] if heard else 0
    for pts, samples in heard:
        missing = (pts - began) * HEARD_RATE // Gst.SECOND - len(joined) // SAMPLE_BYTES
        if missing * Gst.SECOND > FRAME_NS * HEARD_RATE:
            joined += bytes(missing * SAMPLE_BYTES)
        joined += samples
    return bytes(joined)


def main(http: str, api_key: str, data: Path) -> None:
    Gst.init(None)
    with wave.open(str(data / "speech.wav")) as file:
        speech = file.readframes(file.getnframes())
    peer = Peer(speech, EVENTS, OTHER)
    call = peer.place(http, api_key)
    # sctpenc fails on an empty message and takes the channel down with it.
    others = tuple(filter(None, OTHER_MESSAGES))
    echoed = peer.channels[EVENTS].echoes(EVENT_MESSAGES) and peer.channels[OTHER].echoes(others)
    audio = peer.speak()
    call.hang_up()
    saw_hang_up = peer.sees_the_end()
    peer.close()

    second = Peer(speech, EVENTS)
    closed_call = second.place(http, api_key)
    second.close()
    time.sleep(GOODBYE_S)
    print_findings(
        {
            "version": Gst.version_string().removeprefix("GStreamer "),
            "call": call.id,
            "offer": call.offer,
            "echoed": echoed,
            "audio": audio,
            "saw_hang_up": saw_hang_up,
            "closed_call": closed_call.id,
        }
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
