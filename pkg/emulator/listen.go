package emulator

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// A Server is a cloud on a loopback port.
type Server struct {
	URL string // http://127.0.0.1:<port>, without a slash at the end

	http *http.Server
	done chan struct{}
	once sync.Once
}

// Listen serves the cloud at a loopback address such as "127.0.0.1:0" until ctx
// ends or the server is closed. Any other address is refused: the services have
// no protection against a network.
func (c *Cloud) Listen(ctx context.Context, addr string) (*Server, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("emulator: listen address %q is not a loopback address and port", addr)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("emulator: listen: %w", err)
	}
	s := &Server{
		URL:  "http://" + l.Addr().String(),
		http: &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second},
		done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // always http.ErrServerClosed: nothing else ends a loopback listener
	}()
	context.AfterFunc(ctx, s.Close)
	return s, nil
}

// Close ends the server and its connections, calls under way included. It may be
// called more than once.
func (s *Server) Close() {
	s.once.Do(func() { _ = s.http.Close() })
	<-s.done
}

// MNSEndpoint returns the endpoint of an account's queues in a region, in a form
// that has the five parts between dots which the MNS SDK asks for.
func (s *Server) MNSEndpoint(uid, region string) string {
	return s.URL + "/" + uid + "." + region
}
