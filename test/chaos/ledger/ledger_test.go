package ledger

import (
	"strings"
	"testing"
	"time"
)

const (
	ns   = "/a"
	room = "g1"
)

// script is a small run with one device, in seconds.
type script struct {
	*Ledger
	r *Record
}

func at(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func newScript(platform string) script {
	l := New(Rules{Inbox: map[string]bool{"android": true}, Settle: 60 * time.Second, Grace: 10 * time.Second})
	r := l.AddDevice(Device{ID: ns + "#u#" + platform + "-1", Namespace: ns, User: "u", Platform: platform, EIO: 4, Recovers: true, Confirms: true})
	return script{l, r}
}

func (s script) connect(t float64, continued bool) {
	s.r.Connecting(at(t))
	s.r.Connected(at(t), continued)
}

func (s script) join(t float64) {
	s.r.Asked(at(t), room, true)
	s.r.Confirmed(at(t), room, true)
}

func (s script) leave(t float64, answered bool) {
	s.r.Asked(at(t), room, false)
	if answered {
		s.r.Confirmed(at(t), room, false)
	}
}

func (s script) push(t float64, marker int64, change func(*Push)) {
	p := Push{Marker: marker, Namespace: ns, Room: room}
	if change != nil {
		change(&p)
	}
	s.Send(at(t), p)
	s.Answer(at(t), marker, Accepted, marker, "")
}

func leaveMessage(p *Push) { p.Leave = true }

// TestJudge plays small runs and wants their findings, as "kind/promise" or "kind".
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name, platform string
		play           func(s script)
		want           string // kinds in order of markers
		reason         string // part of the first reason
	}{
		{"delivered", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.r.Got(at(4), 1, 1, Live)
		}, "", ""},
		{"lost on a connection that lives", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
		}, "lost", "(live)"},
		{"before the join was answered nothing is promised", "web", func(s script) {
			s.connect(1, false)
			s.r.Asked(at(2), room, true)
			s.push(3, 1, nil)
			s.r.Confirmed(at(4), room, true)
		}, "", ""},
		{"the user's room needs no join", "web", func(s script) {
			s.connect(1, false)
			s.push(3, 1, func(p *Push) { p.Room = "user_u" })
		}, "lost", "(live)"},
		{"a session that ended promises nothing", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.r.Gone(at(4), "cut", false)
			s.connect(5, false)
		}, "", ""},
		{"a later message shows the gap of a session that ended", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.push(4, 2, nil)
			s.r.Got(at(5), 2, 2, Live)
			s.r.Gone(at(6), "cut", false)
			s.connect(7, false)
		}, "lost", "(order)"},
		{"another sender shows no gap", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.push(4, 2, func(p *Push) { p.Lane = 1 })
			s.r.Got(at(5), 2, 2, Live)
			s.r.Gone(at(6), "cut", true)
		}, "", ""},
		{"long connected", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.r.Gone(at(70), "left", true)
		}, "lost", "(settled)"},
		{"long connected, but harmed", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.r.Harmed(at(4), "frozen")
			s.r.Gone(at(70), "left", true)
		}, "", ""},
		{"a continued session", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.r.Gone(at(3), "cut", false)
			s.push(4, 1, nil)
			s.connect(5, true)
			s.r.Gone(at(6), "cut", false)
			s.connect(7, false)
		}, "lost", "(recovery)"},
		{"a continued session that goes on", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.r.Gone(at(3), "cut", false)
			s.connect(5, true)
			s.push(6, 1, nil)
		}, "lost", "(recovery)"},
		{"ended by the harness after the quiet", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.r.Settled(at(4), true)
			s.connect(5, false)
		}, "lost", "(live)"},
		{"inbox of a device that is away", "android", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.r.Gone(at(3), "left", true)
			s.push(4, 1, leaveMessage)
		}, "lost", "(inbox)"},
		{"no leaveMessage, no inbox", "android", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.r.Gone(at(3), "left", true)
			s.push(4, 1, nil)
		}, "", ""},
		{"left the room", "android", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.leave(3, true)
			s.push(4, 1, leaveMessage)
		}, "", ""},
		{"left the room and came back", "android", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.leave(3, true)
			s.join(4)
			s.push(5, 1, leaveMessage)
		}, "lost", "(inbox)"},
		{"an unanswered leave may take effect later", "android", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.leave(3, false)
			s.r.Gone(at(4), "cut", true)
			s.connect(5, false)
			s.join(6)
			s.r.Gone(at(7), "cut", true)
			s.push(8, 1, leaveMessage)
		}, "", ""},
		{"iOS by the gateway", "ios", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.r.TokenIs("tok")
			s.r.Token(at(2))
			s.r.Gone(at(3), "left", true)
			s.push(4, 1, leaveMessage)
			s.push(5, 2, leaveMessage)
			s.Gateway(at(9), "tok", 1)
		}, "lost", "(ios)"},
		{"iOS without a token", "ios", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.r.Gone(at(3), "left", true)
			s.push(4, 1, leaveMessage)
		}, "", ""},
		{"a token nobody has", "ios", func(s script) {
			s.push(4, 1, leaveMessage)
			s.Gateway(at(5), "tok", 1)
		}, "unwanted", "unknown token"},
		{"a short life promises nothing", "android", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(4, 1, func(p *Push) { p.Leave, p.Expire = true, 5*time.Second })
		}, "", ""},
		{"long after its life", "android", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(4, 1, func(p *Push) { p.Leave, p.Expire = true, 5*time.Second })
			s.r.Got(at(20), 1, 1, Offline)
		}, "unwanted", "after its end of life"},
		{"refused", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.Send(at(3), Push{Marker: 1, Namespace: ns, Room: room})
			s.Answer(at(3), 1, Refused, 0, "400")
			s.r.Got(at(4), 1, 1, Live)
		}, "unwanted", "was refused"},
		{"not taken", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.Send(at(3), Push{Marker: 1, Namespace: ns, Room: room})
			s.Answer(at(3), 1, Nothing, 0, "503")
			s.r.Got(at(4), 1, 1, Live)
		}, "unwanted", "was not taken"},
		{"unanswered may arrive", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.Send(at(3), Push{Marker: 1, Namespace: ns, Room: room})
			s.Answer(at(9), 1, Unknown, 0, "timeout")
			s.r.Got(at(4), 1, 1, Live)
		}, "", ""},
		{"excepted", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, func(p *Push) { p.Except = s.r.ID })
			s.r.Got(at(4), 1, 1, Live)
		}, "unwanted", "excepts"},
		{"another tenant", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, func(p *Push) { p.Namespace = "/b" })
			s.r.Got(at(4), 1, 1, Live)
		}, "unwanted", "belongs to /b"},
		{"never a member", "web", func(s script) {
			s.connect(1, false)
			s.push(3, 1, nil)
			s.r.Got(at(4), 1, 1, Live)
		}, "unwanted", "no member"},
		{"a member no longer", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.leave(3, true)
			s.push(4, 1, nil)
			s.r.Got(at(5), 1, 1, Live)
		}, "unwanted", "no member"},
		{"sent before it left", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.leave(4, true)
			s.r.Got(at(5), 1, 1, Live)
		}, "", ""},
		{"offline without being asked", "android", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.r.Got(at(4), 1, 1, Offline)
		}, "unwanted", "no leaveMessage"},
		{"no inbox", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, leaveMessage)
			s.r.Got(at(4), 1, 1, Offline)
		}, "unwanted", "without inbox"},
		{"nobody pushed it", "web", func(s script) {
			s.connect(1, false)
			s.r.Got(at(4), 77, 1, Live)
		}, "unwanted", "nobody pushed"},
		{"out of order", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.push(4, 2, nil)
			s.r.Got(at(5), 2, 2, Live)
			s.r.Got(at(6), 1, 1, Live)
		}, "disorder", "push 2"},
		{"late from a node that was frozen", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.r.Unordered(at(3))
			s.push(4, 2, nil)
			s.r.Got(at(5), 2, 2, Live)
			s.r.Got(at(6), 1, 1, Live)
		}, "", ""},
		{"a repeat is not out of order", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.push(4, 2, nil)
			s.r.Got(at(5), 1, 1, Live)
			s.r.Got(at(5), 2, 2, Live)
			s.r.Got(at(6), 1, 1, Live)
		}, "", ""},
		{"two senders have no order", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.push(4, 2, func(p *Push) { p.Lane = 1 })
			s.r.Got(at(5), 2, 2, Live)
			s.r.Got(at(6), 1, 1, Live)
		}, "", ""},
		{"an illegal push was accepted", "web", func(s script) {
			s.push(3, 1, func(p *Push) { p.Illegal = true })
		}, "unwanted", "illegal"},
		{"two ids", "web", func(s script) {
			s.connect(1, false)
			s.join(2)
			s.push(3, 1, nil)
			s.r.Got(at(5), 1, 1, Live)
			s.r.Got(at(6), 1, 9, Live)
		}, "twin", "id 1 and id 9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(c.platform)
			c.play(s)
			v := s.Judge()
			var kinds []string
			for _, f := range v.Findings {
				kinds = append(kinds, f.Kind)
			}
			if got := strings.Join(kinds, " "); got != c.want {
				t.Fatalf("findings %q, want %q: %v", got, c.want, v.Findings)
			}
			if c.want != "" && !strings.Contains(v.Findings[0].Reason, c.reason) {
				t.Errorf("reason %q, want %q in it", v.Findings[0].Reason, c.reason)
			}
		})
	}
}

// TestHistory wants everything about a lost message in its history, and nothing of other times.
func TestHistory(t *testing.T) {
	s := newScript("web")
	s.FaultBegins(at(1), "old fault")(at(2))
	s.connect(90, false)
	s.join(91)
	over := s.FaultBegins(at(99), "kill connector 1")
	s.push(100, 1, nil)
	other := s.AddDevice(Device{ID: "other", Namespace: ns, User: "o", Platform: "web"})
	other.Connecting(at(90))
	other.Connected(at(90), false)
	other.Asked(at(90), room, true)
	other.Got(at(101), 1, 1, Live)
	over(at(102))
	s.r.Note(at(103), "noise")
	v := s.Judge()
	if len(v.Findings) != 1 {
		t.Fatalf("findings %v", v.Findings)
	}
	text := s.History(v.Findings[0])
	for _, want := range []string{
		"lost: push 1 (id 1) at 100.000 s, device " + s.r.ID, "kill connector 1", "over: kill connector 1",
		"asks to join g1", "answered: join g1", "push    1 is sent to g1", "is accepted", "other gets it by live", "noise",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "old fault") {
		t.Errorf("a fault of long ago in:\n%s", text)
	}
}

// TestFigures holds that promises, extras and repeats are counted.
func TestFigures(t *testing.T) {
	s := newScript("web")
	s.connect(1, false)
	s.push(2, 1, nil)
	s.join(3)
	s.push(4, 2, nil)
	for _, marker := range []int64{1, 2, 2} {
		s.r.Got(at(5), marker, marker, Live)
	}
	s.r.Got(at(6), 2, 2, Replay)
	v := s.Judge()
	if v.Promised[PromiseLive] != 1 || v.Delivered[PromiseLive] != 1 || v.Extra != 1 || len(v.Waits) != 2 ||
		v.Repeats["live, live, one connection"] != 1 || v.Repeats["live, replay, one connection"] != 1 {
		t.Errorf("%+v", v)
	}
	tally := s.Tally()
	if tally.Sent != 2 || tally.Accepted != 2 || tally.Receipts[Live] != 3 || tally.Repeats != 2 || tally.Online != 1 {
		t.Errorf("%+v", tally)
	}
}
