// An echo server on Pion, to measure beside others: WHIP (RFC 9725) in, every RTP packet back without decoding it.
//
// Prints {"url": ...} when it listens on the loopback interface. Ends when it is killed.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/pion/webrtc/v4"
)

const (
	longestOffer = 64 * 1024
	longestRTP   = 1500
)

// Echo holds the connections, by the number in their location.
type Echo struct {
	api         *webrtc.API
	lock        sync.Mutex
	opened      int
	connections map[string]*webrtc.PeerConnection
}

func newEcho() (*Echo, error) {
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	settings := webrtc.SettingEngine{}
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(func(address net.IP) bool { return address.IsLoopback() })
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(settings))
	return &Echo{api: api, connections: map[string]*webrtc.PeerConnection{}}, nil
}

// answer makes a connection of an offer. The answer holds all its candidates: there is no trickling.
func (echo *Echo) answer(offer string) (*webrtc.PeerConnection, error) {
	connection, err := echo.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	if err = negotiate(connection, offer); err != nil {
		_ = connection.Close()
		return nil, err
	}
	return connection, nil
}

func negotiate(connection *webrtc.PeerConnection, offer string) error {
	opus := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	back, err := webrtc.NewTrackLocalStaticRTP(opus, "audio", "echo")
	if err != nil {
		return err
	}
	if _, err = connection.AddTrack(back); err != nil {
		return err
	}
	connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { sendBack(track, back) })
	if err = connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return err
	}
	answer, err := connection.CreateAnswer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(connection)
	if err = connection.SetLocalDescription(answer); err != nil {
		return err
	}
	<-gathered
	return nil
}

func sendBack(track *webrtc.TrackRemote, back *webrtc.TrackLocalStaticRTP) {
	packet := make([]byte, longestRTP)
	for {
		size, _, err := track.Read(packet)
		if err != nil {
			return
		}
		if _, err = back.Write(packet[:size]); err != nil {
			return
		}
	}
}

func (echo *Echo) create(response http.ResponseWriter, request *http.Request) {
	offer, err := io.ReadAll(http.MaxBytesReader(response, request.Body, longestOffer))
	if err != nil {
		http.Error(response, "the offer is too long", http.StatusRequestEntityTooLarge)
		return
	}
	connection, err := echo.answer(string(offer))
	if err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	echo.lock.Lock()
	echo.opened++
	name := strconv.Itoa(echo.opened)
	echo.connections[name] = connection
	echo.lock.Unlock()
	response.Header().Set("Content-Type", "application/sdp")
	response.Header().Set("Location", "/whip/"+name)
	response.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(response, connection.LocalDescription().SDP)
}

func (echo *Echo) end(_ http.ResponseWriter, request *http.Request) {
	name := strings.TrimPrefix(request.URL.Path, "/whip/")
	echo.lock.Lock()
	connection := echo.connections[name]
	delete(echo.connections, name)
	echo.lock.Unlock()
	if connection != nil {
		_ = connection.Close()
	}
}

func main() {
	echo, err := newEcho()
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /whip", echo.create)
	http.HandleFunc("DELETE /whip/{name}", echo.end)
	url := fmt.Sprintf("http://%s/whip", listener.Addr())
	if err = json.NewEncoder(os.Stdout).Encode(map[string]string{"url": url}); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, nil))
}
