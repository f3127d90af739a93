//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

const (
	returnMessages = 100 // in every inbox
	returnTimeout  = 2 * time.Minute
)

// TestReturnStorm: a thousand Android devices with a full inbox each come back in one moment. Every device gets every
// message, in order, and once, as it acks them; a second return finds nothing.
func TestReturnStorm(t *testing.T) {
	devices := 1000
	if set := os.Getenv("E2E_RETURN"); set != "" {
		n, err := strconv.Atoi(set)
		if err != nil || n < 1 {
			t.Fatalf("E2E_RETURN=%s: %v", set, err)
		}
		devices = n
	}
	d := startRoles(t, 2, 2, offlineEnv...)
	s := &returnStorm{t: t, d: d, devices: devices}
	s.together("the first visit", func(i int) error {
		return s.session(i, func(conn *wsclient.Conn) error {
			if err := conn.Emit(7, "joinRoom", "all"); err != nil {
				return err
			}
			return untilReady(conn, 7)
		})
	})
	api := d.api(t, 0)
	api.waitOnline("all", 0, returnTimeout)

	start := time.Now()
	var ids []int64
	for i := range returnMessages {
		ids = append(ids, api.leave("all", map[string]any{"n": i}, nil))
	}
	d.waitQueueEmpty(t, "offline", returnTimeout)
	t.Logf("%d inboxes filled with %d messages each in %s", devices, returnMessages, time.Since(start).Round(time.Millisecond))

	took := s.together("the return", func(i int) error { return s.takeAll(i, ids) })
	t.Logf("%d devices took %d messages in %s", devices, devices*returnMessages, took.Round(time.Millisecond))
	for _, id := range []int64{ids[0], ids[returnMessages/2], ids[returnMessages-1]} {
		api.waitReceipt(id, 0, devices, 0)
	}
	api.waitOnline("all", 0, returnTimeout)
	took = s.together("the second return", func(i int) error { return s.takeAll(i, nil) })
	t.Logf("%d empty inboxes in %s", devices, took.Round(time.Millisecond))
	list, err := api.receipts(ids[7], 500)
	if err != nil || len(list) != devices {
		t.Errorf("%d receipts, %v", len(list), err)
	}
	for _, r := range list {
		if r.State != "delivered" {
			t.Fatalf("receipt %+v", r)
		}
	}
}

// waitQueueEmpty polls until nothing waits in a queue and nobody works.
func (d *deployment) waitQueueEmpty(t testing.TB, name string, within time.Duration) {
	t.Helper()
	eventually(t, within, "queue "+name+" empty", func() error {
		var list struct {
			List []struct {
				Name                          string
				Waiting, Ready, Working, Dead int64
			}
		}
		status, body, err := d.adminAPI(t, 0).do("GET", "/api/admin/queue", nil)
		if err != nil || status != 200 {
			return fmt.Errorf("%d %s %v", status, body, err)
		}
		if err := json.Unmarshal(body, &list); err != nil {
			if err := json.Unmarshal(body, &list.List); err != nil {
				return err
			}
		}
		for _, q := range list.List {
			if q.Name != name {
				continue
			}
			if q.Dead > 0 {
				t.Fatalf("dead jobs: %+v", q)
			}
			if q.Waiting+q.Ready+q.Working > 0 {
				return fmt.Errorf("%+v", q)
			}
			return nil
		}
		return fmt.Errorf("no queue %s in %s", name, body)
	})
}

type returnStorm struct {
	t       *testing.T
	d       *deployment
	devices int
}

// together does something for all devices at the same moment.
func (s *returnStorm) together(what string, do func(i int) error) time.Duration {
	s.t.Helper()
	gate := make(chan struct{})
	errs := make(chan error, s.devices)
	var all sync.WaitGroup
	for i := range s.devices {
		all.Go(func() {
			<-gate
			if err := do(i); err != nil {
				errs <- fmt.Errorf("device %d: %w", i, err)
			}
		})
	}
	start := time.Now()
	close(gate)
	all.Wait()
	took := time.Since(start)
	close(errs)
	failed := 0
	for err := range errs {
		if failed++; failed <= 5 {
			s.t.Errorf("%s: %v", what, err)
		}
	}
	if failed > 0 {
		s.t.Fatalf("%s: %d of %d devices failed", what, failed, s.devices)
	}
	return took
}

// session connects a device, half of them with each Engine.IO and to each connector.
func (s *returnStorm) session(i int, do func(*wsclient.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), returnTimeout)
	defer cancel()
	conn, err := wsclient.Dial(ctx, wsclient.Config{
		Addr: s.d.host(i % len(s.d.sockets)), EIO: 3 + i/2%2, Namespace: s.d.namespace.name,
		Query: url.Values{"uuid": {fmt.Sprint("p", i)}, "userid": {fmt.Sprint("u", i)}, "platform": {"android"}},
	})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(returnTimeout))
	return do(conn)
}

// takeAll reads what a device is offered before ok, acks it, every third device natively, the others by ackPush, and
// stays until the acks are handled.
func (s *returnStorm) takeAll(i int, want []int64) error {
	return s.session(i, func(conn *wsclient.Conn) error {
		var got []int64
		for {
			p, err := conn.Next()
			switch {
			case err != nil:
				return fmt.Errorf("after %d messages: %w", len(got), err)
			case p.Namespace != conn.Namespace:
				continue
			case p.Name() == "ok":
				if !slices.Equal(got, want) {
					return fmt.Errorf("got %d messages, want %d, in order: %v", len(got), len(want), got)
				}
				return s.settle(conn)
			case p.Name() != "offlineMessage" || p.ID < 0:
				return fmt.Errorf("unexpected packet %c %.200s", p.Type, p.Data)
			}
			var list []struct{ ID string }
			if err := p.Arg(0, &list); err != nil {
				return err
			}
			var ids []int64
			for _, m := range list {
				id, err := strconv.ParseInt(m.ID, 10, 64)
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			got = append(got, ids...)
			if i%3 == 0 {
				err = conn.WriteText(fmt.Sprintf("43%s,%d[]", conn.Namespace, p.ID))
			} else {
				err = conn.Emit(-1, "ackPush", map[string]any{"ids": ids})
			}
			if err != nil {
				return err
			}
		}
	})
}

// settle waits for the answer to an event behind the acks, so that they are handled; nothing else may come.
func (s *returnStorm) settle(conn *wsclient.Conn) error {
	if err := conn.Emit(9, "ackPush", map[string]any{"ids": []int64{}}); err != nil {
		return err
	}
	for {
		p, err := conn.Next()
		switch {
		case err != nil:
			return err
		case p.Type == wsclient.Ack && p.ID == 9:
			return nil
		case p.Namespace != conn.Namespace:
		case strings.HasPrefix(p.Name(), "offline"):
			return errors.New("offered behind ok")
		default:
			return fmt.Errorf("unexpected packet %c %.200s", p.Type, p.Data)
		}
	}
}
