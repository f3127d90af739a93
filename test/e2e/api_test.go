//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// api is a caller of the REST routes. Every method fails the test on an unexpected answer.
type api struct {
	t    testing.TB
	base string
	as   credential
}

var httpClient = &http.Client{Timeout: 30 * time.Second}

// do sends a request and returns status and body.
func (a *api) do(method, path string, body []byte) (int, []byte, error) {
	req, err := http.NewRequest(method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.SetBasicAuth(a.as.name, a.as.passwd)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

func (a *api) post(path string, body any, want int) []byte {
	a.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.postRaw(path, data, want)
}

func (a *api) postRaw(path string, data []byte, want int) []byte {
	a.t.Helper()
	status, answer, err := a.do(http.MethodPost, path, data)
	if err != nil || status != want {
		a.t.Fatalf("POST %s %s: status %d, want %d, body %s, %v", path, data, status, want, answer, err)
	}
	return answer
}

// tryGet reads a route into v.
func (a *api) tryGet(path string, v any) error {
	status, answer, err := a.do(http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET %s: status %d, body %s", path, status, answer)
	}
	return json.Unmarshal(answer, v)
}

func (a *api) get(path string, v any) {
	a.t.Helper()
	if err := a.tryGet(path, v); err != nil {
		a.t.Fatal(err)
	}
}

// push sends pushData to a room and returns the id of the message.
func (a *api) push(room string, pushData any) int64 {
	a.t.Helper()
	data, err := json.Marshal(map[string]any{"room": room, "pushData": pushData})
	if err != nil {
		a.t.Fatal(err)
	}
	// Go escapes U+2028; most languages send it raw, so it goes out raw while U+2029 stays escaped.
	data = bytes.ReplaceAll(data, []byte(`\u2028`), []byte("\u2028"))
	answer := a.postRaw("/api/auth/push", data, 200)
	var body struct{ ID int64 }
	if err := json.Unmarshal(answer, &body); err != nil || body.ID <= 0 {
		a.t.Fatalf("push answered %s", answer)
	}
	return body.ID
}

// receipt is the part of a message report the tests read; all figures are decimal strings on the wire.
type receipt struct {
	ID                string
	Room              string
	PushData          string
	OnlineClientCount string
	AckCount          string
	AckIOSCount       string
}

func (r receipt) String() string {
	return fmt.Sprintf("id %s, online %s, acks %s, of them ios %s", r.ID, r.OnlineClientCount, r.AckCount, r.AckIOSCount)
}

func (a *api) receipt(id int64) (receipt, error) {
	var r receipt
	err := a.tryGet(fmt.Sprintf("/api/auth/report/push/%d?ackDetail=1", id), &r)
	return r, err
}

// waitReceipt polls the report of a message until it shows these figures.
func (a *api) waitReceipt(id int64, online, acks, iosAcks int) {
	a.t.Helper()
	want := receiptFigures{id, online, acks, iosAcks}
	eventually(a.t, eventTimeout, "receipt", func() error { return a.receiptIs(want) })
}

func (a *api) receiptIs(want receiptFigures) error {
	r, err := a.receipt(want.id)
	if err != nil {
		return err
	}
	if r.OnlineClientCount != fmt.Sprint(want.online) || r.AckCount != fmt.Sprint(want.acks) || r.AckIOSCount != fmt.Sprint(want.iosAcks) {
		return fmt.Errorf("%s; want online %d, acks %d, of them ios %d", r, want.online, want.acks, want.iosAcks)
	}
	return nil
}

// roomFigures is one room of the online report.
type roomFigures struct {
	Name             string
	UserCount        int
	ClientCount      int
	TotalClientCount int
}

func (a *api) room(name string) (roomFigures, error) {
	var rooms []roomFigures
	if err := a.tryGet("/api/auth/report/online?room="+url.QueryEscape(name), &rooms); err != nil {
		return roomFigures{}, err
	}
	if len(rooms) != 1 {
		return roomFigures{}, fmt.Errorf("%d rooms reported for %s", len(rooms), name)
	}
	return rooms[0], nil
}

// waitOnline polls until a room has so many connected clients.
func (a *api) waitOnline(room string, clients int, within time.Duration) {
	a.t.Helper()
	eventually(a.t, within, fmt.Sprintf("%d clients online in %s", clients, room), func() error {
		r, err := a.room(room)
		if err == nil && r.ClientCount != clients {
			err = fmt.Errorf("%d clients", r.ClientCount)
		}
		return err
	})
}
