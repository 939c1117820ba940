// Pion: WebRTC in Go, with no codecs.
//
//	pion HTTP API_KEY DATA_DIRECTORY
//
// Does what ../script.mjs does, and prints the same findings.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

const (
	model             = "loopback"
	events            = "oai-events"
	other             = "interop"
	frameDuration     = 20 * time.Millisecond
	restartAfter      = 2500 * time.Millisecond
	afterwards        = time.Second
	patience          = 20 * time.Second
	hangUpSeenWithin  = 10 * time.Second
	goodbye           = 500 * time.Millisecond
	longMessageLength = 50_000
)

// Findings is what the test reads; ../../findings.py describes it.
type Findings struct {
	Version    string `json:"version"`
	Call       string `json:"call"`
	Offer      string `json:"offer"`
	Echoed     bool   `json:"echoed"`
	Audio      Audio  `json:"audio"`
	SawHangUp  bool   `json:"saw_hang_up"`
	ClosedCall string `json:"closed_call"`
}

// Audio holds Opus frames; encoding/json writes bytes in base64.
type Audio struct {
	Form     string   `json:"form"`
	Sent     [][]byte `json:"sent"`
	Received [][]byte `json:"received"`
}

// Call is a call by WHIP (RFC 9725).
type Call struct {
	base, key, path, offer, answer string
}

func (call *Call) request(method, path, contentType, body string) (*http.Response, string, error) {
	request, err := http.NewRequest(method, call.base+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Authorization", "Bearer "+call.key)
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("If-Match", "*")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	return response, string(text), err
}

func (call *Call) place() error {
	response, answer, err := call.request("POST", "/whip?model="+model, "application/sdp", call.offer)
	if err == nil {
		call.path, call.answer = response.Header.Get("Location"), answer
	}
	return err
}

func (call *Call) id() string { return call.path[strings.LastIndex(call.path, "/")+1:] }

var credential = regexp.MustCompile(`(?m)^a=ice-(?:ufrag|pwd):\S+`)

// restart sends new credentials (RFC 9725 section 4.3.3); the answer with the server's new ones comes back.
func (call *Call) restart(offer string) (string, error) {
	ours := strings.Join(credential.FindAllString(offer, 2), "\r\n") + "\r\n"
	_, theirs, err := call.request("PATCH", call.path, "application/trickle-ice-sdpfrag", ours)
	if err != nil {
		return "", err
	}
	fresh := map[string]string{}
	for _, line := range credential.FindAllString(theirs, -1) {
		fresh[line[:strings.Index(line, ":")]] = line
	}
	renew := func(line string) string { return fresh[line[:strings.Index(line, ":")]] }
	return credential.ReplaceAllStringFunc(call.answer, renew), nil
}

// Peer is one side of a call.
type Peer struct {
	connection *webrtc.PeerConnection
	track      *webrtc.TrackLocalStaticSample
	connected  chan struct{}
	ended      chan struct{}
	channels   map[string]*Channel
	lock       sync.Mutex
	received   [][]byte
}

// Channel is a data channel whose messages are read one by one.
type Channel struct {
	*webrtc.DataChannel
	opened chan struct{}
	inbox  chan webrtc.DataChannelMessage
}

func newPeer(labels ...string) (*Peer, error) {
	connection, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "audio", "pion")
	if err != nil {
		return nil, err
	}
	if _, err = connection.AddTrack(track); err != nil {
		return nil, err
	}
	peer := &Peer{connection: connection, track: track, connected: make(chan struct{}), ended: make(chan struct{})}
	peer.channels = map[string]*Channel{}
	var connectedOnce, endedOnce sync.Once
	end := func() { endedOnce.Do(func() { close(peer.ended) }) }
	connection.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			connectedOnce.Do(func() { close(peer.connected) })
		case webrtc.PeerConnectionStateDisconnected, webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			end()
		}
	})
	connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { peer.listen(track) })
	for _, label := range labels {
		if peer.channels[label], err = newChannel(connection, label); err != nil {
			return nil, err
		}
		// The connection itself says nothing of the far side's close_notify.
		peer.channels[label].OnClose(end)
	}
	return peer, nil
}

func newChannel(connection *webrtc.PeerConnection, label string) (*Channel, error) {
	inner, err := connection.CreateDataChannel(label, nil)
	if err != nil {
		return nil, err
	}
	channel := &Channel{inner, make(chan struct{}), make(chan webrtc.DataChannelMessage, 16)}
	inner.OnOpen(func() { close(channel.opened) })
	inner.OnMessage(func(message webrtc.DataChannelMessage) { channel.inbox <- message })
	return channel, nil
}

func (peer *Peer) listen(track *webrtc.TrackRemote) {
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		peer.lock.Lock()
		peer.received = append(peer.received, append([]byte(nil), packet.Payload...))
		peer.lock.Unlock()
	}
}

func (peer *Peer) offer(options *webrtc.OfferOptions) (string, error) {
	offer, err := peer.connection.CreateOffer(options)
	if err == nil {
		err = peer.connection.SetLocalDescription(offer)
	}
	return offer.SDP, err
}

func (peer *Peer) accept(answer string) error {
	return peer.connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
}

func (peer *Peer) place(base, key string) (*Call, error) {
	offer, err := peer.offer(nil)
	if err != nil {
		return nil, err
	}
	call := &Call{base: base, key: key, offer: offer}
	if err = call.place(); err != nil {
		return nil, err
	}
	if err = peer.accept(call.answer); err != nil {
		return nil, err
	}
	return call, within(patience, peer.connected, "connected")
}

func within(limit time.Duration, done <-chan struct{}, what string) error {
	select {
	case <-done:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("not within %s: %s", limit, what)
	}
}

// echoes sends each message and says whether all came back unchanged, text as text (string) and binary as binary.
func (channel *Channel) echoes(messages ...interface{}) (bool, error) {
	if err := within(patience, channel.opened, "a channel open"); err != nil {
		return false, err
	}
	for _, message := range messages {
		var err error
		var sent []byte
		text, isText := message.(string)
		if isText {
			sent, err = []byte(text), channel.SendText(text)
		} else {
			sent = message.([]byte)
			err = channel.Send(sent)
		}
		if err != nil {
			return false, err
		}
		select {
		case echo := <-channel.inbox:
			if echo.IsString != isText || !bytes.Equal(echo.Data, sent) {
				return false, nil
			}
		case <-time.After(patience):
			return false, errors.New("an echo is missing")
		}
	}
	return true, nil
}

func (peer *Peer) echoesAll() (bool, error) {
	binary := make([]byte, longMessageLength)
	for index := range binary {
		binary[index] = byte((index * 7) % 251)
	}
	echoed, err := peer.channels[events].echoes(`{"type":"session.update"}`, "grüß dich, 世界")
	if err != nil || !echoed {
		return echoed, err
	}
	return peer.channels[other].echoes("text", "", []byte{0, 255}, strings.Repeat("x", longMessageLength), binary)
}

// readFrames reads the packets of an Ogg stream without its two header packets (RFC 3533 section 6, RFC 7845 section 3).
func readFrames(path string) ([][]byte, error) {
	stream, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var packets [][]byte
	var begun []byte
	for len(stream) > 0 {
		lacing := stream[27 : 27+int(stream[26])]
		stream = stream[27+len(lacing):]
		for _, length := range lacing {
			begun = append(begun, stream[:length]...)
			stream = stream[length:]
			// A segment of 255 bytes is continued by the next.
			if length < 255 {
				packets, begun = append(packets, begun), nil
			}
		}
	}
	return packets[2:], nil
}

// speak sends the frames at their pace; restart, in their midst, has its own result.
func (peer *Peer) speak(frames [][]byte, restart func() error) error {
	restarted := make(chan error, 1)
	time.AfterFunc(restartAfter, func() { restarted <- restart() })
	ticker := time.NewTicker(frameDuration)
	defer ticker.Stop()
	for _, frame := range frames {
		if err := peer.track.WriteSample(media.Sample{Data: frame, Duration: frameDuration}); err != nil {
			return err
		}
		<-ticker.C
	}
	time.Sleep(afterwards)
	return <-restarted
}

func (findings *Findings) firstCall(base, key, data string) error {
	frames, err := readFrames(filepath.Join(data, "speech.opus"))
	if err != nil {
		return err
	}
	peer, err := newPeer(events, other)
	if err != nil {
		return err
	}
	call, err := peer.place(base, key)
	if err != nil {
		return err
	}
	findings.Call, findings.Offer = call.id(), call.offer
	if findings.Echoed, err = peer.echoesAll(); err != nil {
		return err
	}
	err = peer.speak(frames, func() error {
		offer, err := peer.offer(&webrtc.OfferOptions{ICERestart: true})
		if err != nil {
			return err
		}
		answer, err := call.restart(offer)
		if err != nil {
			return err
		}
		return peer.accept(answer)
	})
	if err != nil {
		return err
	}
	peer.lock.Lock()
	findings.Audio = Audio{"frames", frames, peer.received}
	peer.lock.Unlock()
	if _, _, err = call.request("DELETE", call.path, "", ""); err != nil {
		return err
	}
	findings.SawHangUp = within(hangUpSeenWithin, peer.ended, "the hang-up") == nil
	return peer.connection.Close()
}

func (findings *Findings) secondCall(base, key string) error {
	peer, err := newPeer(events)
	if err != nil {
		return err
	}
	call, err := peer.place(base, key)
	if err != nil {
		return err
	}
	findings.ClosedCall = call.id()
	if err = peer.connection.Close(); err != nil {
		return err
	}
	time.Sleep(goodbye)
	return nil
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/pion/webrtc/v4" {
			return strings.TrimPrefix(module.Version, "v")
		}
	}
	return ""
}

func main() {
	base, key, data := os.Args[1], os.Args[2], os.Args[3]
	findings := Findings{Version: version()}
	err := findings.firstCall(base, key, data)
	if err == nil {
		err = findings.secondCall(base, key)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err = json.NewEncoder(os.Stdout).Encode(findings); err != nil {
		panic(err)
	}
}
