package queue_test

import (
	"testing"

	"github.com/lightpush/lightpush/internal/queue/queuetest"
)

func TestMemory(t *testing.T) { queuetest.Run(t, &queuetest.Memory{}, 5_000) }
