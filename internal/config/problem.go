package config

import (
	"errors"
	"fmt"
	"strings"
)

// maxProblems bounds what one Error lists; a hostile or wholly wrong file could otherwise yield one per line.
const maxProblems = 100

// ErrInvalid is what every error of Load and Validate is, besides its causes: test with errors.Is.
var ErrInvalid = errors.New("invalid configuration")

// Problem is one thing that is wrong.
type Problem struct {
	Key    string // key, or key[index] for an item of a list; empty when the source as a whole is meant
	Source Source
	Text   string // what was given and what is allowed; never the value of a secret
	Err    error  // cause from outside (a file that cannot be read), or nil
}

// Error returns "key (source): text", or "source: text" without a key.
func (p Problem) Error() string {
	if p.Key == "" {
		return p.Source.String() + ": " + p.Text
	}
	return p.Key + " (" + p.Source.String() + "): " + p.Text
}

// Unwrap returns the cause, or nil.
func (p Problem) Unwrap() error { return p.Err }

// Error is everything that is wrong with a configuration, in the order file, environment, flags, combinations.
type Error struct {
	Problems []Problem
	More     int // problems that were found but are not listed
}

// Error returns one problem per line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(ErrInvalid.Error())
	b.WriteString(":")
	for _, p := range e.Problems {
		b.WriteString("\n  ")
		b.WriteString(p.Error())
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\n  and %d more", e.More)
	}
	return b.String()
}

// Unwrap lets errors.Is and errors.As see ErrInvalid and every Problem.
func (e *Error) Unwrap() []error {
	errs := make([]error, 0, len(e.Problems)+1)
	errs = append(errs, ErrInvalid)
	for _, p := range e.Problems {
		errs = append(errs, p)
	}
	return errs
}

// isFull reports whether a further problem would only be counted.
func (e *Error) isFull() bool { return len(e.Problems) >= maxProblems }

// add lists a problem, or counts it when the list is full.
func (e *Error) add(p Problem) {
	if e.isFull() {
		e.More++
		return
	}
	e.Problems = append(e.Problems, p)
}

// orNil returns the error only when there is a problem.
func (e *Error) orNil() error {
	if len(e.Problems) == 0 {
		return nil
	}
	return e
}
