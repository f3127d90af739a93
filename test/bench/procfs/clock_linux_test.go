package procfs

import (
	"os"
	"testing"
	"time"
)

// The clock of a process counts the work it does, and agrees with its stat.
func TestCPU(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	deadline := time.Now().Add(10 * time.Second)
	for {
		for i := range 1_000_000 {
			sum += i
		}
		now, err := CPU(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if now-before >= 3*Tick {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the clock shows %v after 10 s of work (%d)", now-before, sum)
		}
	}
	stat, err := ReadStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	now, err := CPU(os.Getpid())
	if err != nil || now+2*Tick < stat.CPU() || now < before {
		t.Errorf("clock %v, stat %v, %v", now, stat.CPU(), err)
	}
	// Beyond the greatest pid there is.
	if _, err := CPU(1<<22 + 1); err == nil {
		t.Error("a process that does not exist has a clock")
	}
}

func TestMonotonic(t *testing.T) {
	a := Monotonic()
	if b := Monotonic(); a <= 0 || b < a {
		t.Error(a, b)
	}
}
