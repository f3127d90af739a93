//go:build !linux

package netloop

import "time"

// poller, off Linux, only waits for tasks: every connection has its goroutines.
type poller struct{ woken chan struct{} }

func (p *poller) open() error {
	p.woken = make(chan struct{}, 1)
	return nil
}

func (p *poller) wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

func (p *poller) wait(_ *Loop, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.woken:
	case <-timer.C:
	}
	return nil
}

func (p *poller) dial(*Loop, Target, Handler) (Conn, error) { return nil, nil }
func (p *poller) close()                                    {}
