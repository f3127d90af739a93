package contract

import (
	"hash/fnv"
	"math/rand/v2"
)

// Choices decides what a request looks like. The bytes it was given are used up first; then a generator goes on that
// is seeded with them.
type Choices struct {
	given []byte
	rng   *rand.Rand
}

// FromSeed decides request number n of a run.
func FromSeed(seed, n uint64) *Choices { return &Choices{rng: rand.New(rand.NewPCG(seed, n))} } //nolint:gosec // repeatable on purpose

// FromBytes decides a request of the fuzzer.
func FromBytes(b []byte) *Choices {
	h := fnv.New64a()
	_, _ = h.Write(b)
	return &Choices{given: b, rng: rand.New(rand.NewPCG(h.Sum64(), uint64(len(b))))} //nolint:gosec // repeatable on purpose
}

// N is a number below n, which is at most 65,536.
func (c *Choices) N(n int) int {
	if n <= 1 {
		return 0
	}
	if len(c.given) == 0 {
		return c.rng.IntN(n)
	}
	v := int(c.given[0])
	c.given = c.given[1:]
	if n > 256 && len(c.given) > 0 {
		v = v<<8 | int(c.given[0])
		c.given = c.given[1:]
	}
	return v % n
}

// Percent is true that often.
func (c *Choices) Percent(p int) bool { return c.N(100) < p }

// pick returns one of list.
func pick[T any](c *Choices, list []T) T { return list[c.N(len(list))] }
