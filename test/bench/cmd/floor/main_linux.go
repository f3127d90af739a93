package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/lightpush/lightpush/test/bench/app"
)

func main() {
	f, addr, err := listen()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go f.loop() // ends with the process
	control := &app.Control{Counters: &f.counters, Burst: f.burst}
	if err := control.Serve(os.Stdin, os.Stdout, app.Ready{Addr: addr, Version: "epoll, " + runtime.Version()}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// burst hands messages to the loop and returns when they are written.
func (f *floor) burst(room string, messages []app.Message, joined bool) {
	frames := make([][]byte, 0, len(messages))
	for _, m := range messages {
		data, err := json.Marshal(m)
		if err != nil {
			panic(err) // a struct of numbers and texts always marshals
		}
		frames = append(frames, textFrame(`42`+app.Namespace+`,["push",`+string(data)+`]`))
	}
	if joined {
		var all []byte
		for _, frame := range frames {
			all = append(all, frame...)
		}
		frames = [][]byte{all}
	}
	done := make(chan struct{})
	f.writes <- job{room, frames, done}
	_, _ = syscall.Write(f.wake, []byte{0})
	<-done
}

// textFrame is an unmasked frame of less than 64 KiB.
func textFrame(text string) []byte {
	n := len(text)
	if n <= 125 {
		return append([]byte{0x81, byte(n)}, text...)
	}
	return append([]byte{0x81, 126, byte(n >> 8), byte(n)}, text...)
}
