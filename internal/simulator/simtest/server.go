// Package simtest is a small push server for tests, which does wrong what it is told to.
//
// It speaks Socket.IO of both generations over WebSocket only, serves the three REST routes a simulator calls, and keeps
// everything in memory. Start listens on a free loopback port; Close ends everything. It imports the standard library and
// a WebSocket codec, nothing of the product.
package simtest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// Faults are what the server does wrong; the zero value is a good server.
type Faults struct {
	LoseEvery    int    // every n-th push reaches nobody
	RepeatEvery  int    // every n-th push is delivered twice
	ReorderEvery int    // every n-th push comes behind the next one of its room
	DropAcks     bool   // ackPush is forgotten
	DropJoinAcks bool   // joinRoom is not answered
	Refuse       string // CONNECT is refused with this text
	Reject       int    // every n-th push is answered 503
	Hangup       bool   // connections are cut once they are ready
	Silent       bool   // pushes are accepted and delivered to nobody
}

// Namespace and Password are the only credential.
const (
	Namespace = "/demo"
	Password  = "secret"
)

// Server is one server.
type Server struct {
	URL    string
	faults Faults
	http   *http.Server
	wg     sync.WaitGroup

	mu      sync.Mutex
	conns   map[*conn]bool
	rooms   map[string]map[*conn]bool
	held    map[string][]byte // the packet that comes behind the next, by room
	reports map[int64]*report
	lastID  int64
	lost    int64 // the first that was
}

type report struct {
	online int
	acked  map[string]bool
}

type conn struct {
	net  net.Conn
	uuid string
	mu   sync.Mutex // of writing
}

// Start listens. The caller must Close.
func Start(f Faults) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{
		URL: "http://" + listener.Addr().String(), faults: f,
		conns: map[*conn]bool{}, rooms: map[string]map[*conn]bool{}, held: map[string][]byte{}, reports: map[int64]*report{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/socket.io/", s.socket)
	mux.HandleFunc("POST /api/auth/login", s.authorized(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }))
	mux.HandleFunc("POST /api/auth/push", s.authorized(s.push))
	mux.HandleFunc("GET /api/auth/report/push/{id}", s.authorized(s.report))
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.wg.Go(func() { _ = s.http.Serve(listener) })
	return s, nil
}

// Close ends all connections and waits for their goroutines.
func (s *Server) Close() {
	_ = s.http.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.net.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// FirstLost is the id of the first push LoseEvery has taken; 0 when there is none.
func (s *Server) FirstLost() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

func (s *Server) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != Namespace || password != Password {
			http.Error(w, "passwd error", http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

func (s *Server) socket(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("transport") != "websocket" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":0,"message":"Transport unknown"}`)
		return
	}
	nc, rw, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	_ = rw.Flush()
	c := &conn{net: nc, uuid: q.Get("uuid")}
	s.mu.Lock()
	s.conns[c] = true
	s.mu.Unlock()
	s.wg.Go(func() { s.serve(c, q.Get("EIO") != "4") })
}

func (c *conn) send(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.net.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_ = wsutil.WriteServerText(c.net, []byte(text)) // the reader sees a broken connection
}

func (s *Server) serve(c *conn, v3 bool) {
	defer s.forget(c)
	c.send(`0{"sid":"` + c.uuid + `-sid","upgrades":[],"pingInterval":20000,"pingTimeout":20000}`)
	if v3 {
		c.send("40")
	}
	for {
		text, err := wsutil.ReadClientText(c.net)
		if err != nil {
			return
		}
		if !s.packet(c, v3, string(text)) {
			return
		}
	}
}

func (s *Server) forget(c *conn) {
	_ = c.net.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	for _, members := range s.rooms {
		delete(members, c)
	}
}

// packet handles one packet of a client; false ends the connection.
func (s *Server) packet(c *conn, v3 bool, text string) bool {
	event, isEvent := strings.CutPrefix(text, "42"+Namespace+",")
	switch {
	case text == "2":
		c.send("3")
	case strings.HasPrefix(text, "40") && s.faults.Refuse != "":
		c.send("44" + Namespace + `,{"message":` + strconv.Quote(s.faults.Refuse) + "}")
	case strings.HasPrefix(text, "40"+Namespace):
		s.join(c, "user_"+c.uuid)
		if v3 {
			c.send("40" + Namespace + ",")
		} else {
			c.send("40" + Namespace + `,{"sid":"x"}`)
		}
		c.send("42" + Namespace + `,["ok",{"clientId":"` + c.uuid + `"}]`)
	case strings.HasPrefix(text, "41"):
		return false
	case isEvent:
		return s.event(c, event)
	}
	return true
}

func (s *Server) event(c *conn, event string) bool {
	start := strings.IndexByte(event, '[')
	var parts []json.RawMessage
	if start < 0 || json.Unmarshal([]byte(event[start:]), &parts) != nil || len(parts) < 2 {
		return false
	}
	switch string(parts[0]) {
	case `"joinRoom"`:
		var rooms []string
		if json.Unmarshal(parts[1], &rooms) != nil {
			return false
		}
		for _, room := range rooms {
			s.join(c, room)
		}
		if !s.faults.DropJoinAcks {
			c.send("43" + Namespace + "," + event[:start] + `[{"status":200,"msg":"ok"}]`)
		}
		return !s.faults.Hangup
	case `"ackPush"`:
		var ack struct{ ID int64 }
		if json.Unmarshal(parts[1], &ack) == nil && !s.faults.DropAcks {
			s.mu.Lock()
			if r := s.reports[ack.ID]; r != nil {
				r.acked[c.uuid] = true
			}
			s.mu.Unlock()
		}
	}
	return true
}

func (s *Server) join(c *conn, room string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[room] == nil {
		s.rooms[room] = map[*conn]bool{}
	}
	s.rooms[room][c] = true
}

func every(n int, id int64) bool { return n > 0 && id%int64(n) == 0 }

func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Room     string
		PushData json.RawMessage
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID++
	id := s.lastID
	if every(s.faults.Reject, id) {
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	s.reports[id] = &report{acked: map[string]bool{}}
	packet := fmt.Sprintf(`42%s,["push",{"id":%d,"room":%q,"pushData":%s}]`, Namespace, id, body.Room, body.PushData)
	s.deliver(id, body.Room, packet)
	fmt.Fprintf(w, `{"id":%d}`, id)
}

// deliver is called with mu held: the order of pushes is that of the clients.
func (s *Server) deliver(id int64, room, packet string) {
	send := func(p string) {
		for c := range s.rooms[room] {
			s.reports[id].online++
			c.send(p)
		}
	}
	switch {
	case s.faults.Silent:
	case every(s.faults.LoseEvery, id):
		if s.lost == 0 && len(s.rooms[room]) > 0 {
			s.lost = id
		}
	case every(s.faults.ReorderEvery, id) && s.held[room] == nil:
		s.held[room] = []byte(packet)
	default:
		send(packet)
		if every(s.faults.RepeatEvery, id) {
			send(packet)
		}
		if late := s.held[room]; late != nil {
			delete(s.held, room)
			send(string(late))
		}
	}
}

func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.reports[id]
	if found == nil {
		http.Error(w, "this id not exists", http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, `{"id":"%d","onlineClientCount":"%d","ackCount":"%d"}`, id, found.online, len(found.acked))
}
