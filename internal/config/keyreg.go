package config

import (
	"fmt"
	"regexp/syntax"
)

// separators are the characters that keys of the store and ids are put together with. A name containing one could
// be read as another tenant's, so key_reg must not accept any; neither may it accept control characters.
const separators = "{},:|* "

// Bounds of key_reg: bytes of its text, instructions of its compiled program.
const (
	maxKeyReg     = 512
	maxKeyRegProg = 20_000
)

// forbiddenRunes lists separators and control characters.
var forbiddenRunes = func() []rune {
	runes := []rune(separators)
	for r := rune(0); r < 0xa0; r++ {
		if r < 0x20 || r >= 0x7f {
			runes = append(runes, r)
		}
	}
	return runes
}()

// isKeyReg accepts an expression that compiles (RE2) and matches no text with a separator or a control character
// anywhere in it. The latter is decided by walking the compiled program, not by trying samples.
func isKeyReg(s string) (bool, string) {
	if s == "" || len(s) > maxKeyReg {
		return false, fmt.Sprintf("empty or longer than %d bytes", maxKeyReg)
	}
	parsed, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return false, err.Error()
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return false, err.Error()
	}
	if len(prog.Inst) > maxKeyRegProg {
		return false, "too large once its repetitions are written out"
	}
	fromStart := walkKeyReg(prog, false)
	if fromStart.forbidden >= 0 {
		return false, fmt.Sprintf("it accepts the character %q", fromStart.forbidden)
	}
	if fromStart.openEnd || walkKeyReg(prog, true).matched {
		return false, "it matches a part of any text, begin it with ^ and end it with $"
	}
	return true, ""
}

// keyRegState is a place in the program together with all that decides what may follow.
type keyRegState struct {
	pc     uint32
	inside bool // something stands before this place: ^ cannot hold
	ended  bool // $ has been passed: nothing may be read any more
	found  bool // a forbidden character has been read
}

// keyRegWalk is what a walk found out about the texts that match.
type keyRegWalk struct {
	matched   bool // there is one at all
	openEnd   bool // a match may end before the text does
	forbidden rune // a forbidden character within a match, or -1
}

// walkKeyReg visits every reachable state once, at most eight per instruction. A word boundary is taken as satisfied
// wherever it stands, which can only refuse too much.
func walkKeyReg(prog *syntax.Prog, inside bool) keyRegWalk {
	walk := keyRegWalk{forbidden: -1}
	firstFound := map[keyRegState]rune{} // every visited state → the forbidden character that led there, or -1
	var stack []keyRegState
	push := func(s keyRegState, r rune) {
		if _, visited := firstFound[s]; !visited {
			firstFound[s] = r
			stack = append(stack, s)
		}
	}
	push(keyRegState{pc: uint32(prog.Start), inside: inside}, -1)
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		found := firstFound[s]
		inst := &prog.Inst[s.pc]
		next := s
		next.pc = inst.Out
		switch inst.Op {
		case syntax.InstMatch:
			walk.matched = true
			walk.openEnd = walk.openEnd || !s.ended
			if s.found && walk.forbidden < 0 {
				walk.forbidden = found
			}
		case syntax.InstAlt, syntax.InstAltMatch:
			push(next, found)
			next.pc = inst.Arg
			push(next, found)
		case syntax.InstCapture, syntax.InstNop:
			push(next, found)
		case syntax.InstEmptyWidth:
			if next, ok := s.passEmpty(syntax.EmptyOp(inst.Arg)); ok {
				next.pc = inst.Out
				push(next, found)
			}
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if s.ended {
				break
			}
			next.inside = true
			push(next, found)
			if r, ok := firstForbidden(inst); ok && !s.found {
				next.found = true
				push(next, r)
			}
		}
	}
	return walk
}

// passEmpty returns the state behind an assertion, or false where it cannot hold. A $ of (?m) also holds before a
// line break, so it ends nothing; a ^ of (?m) also holds behind one, which is a forbidden character itself.
func (s keyRegState) passEmpty(op syntax.EmptyOp) (keyRegState, bool) {
	if op&syntax.EmptyBeginText != 0 && s.inside {
		return s, false
	}
	if op&syntax.EmptyBeginLine != 0 && s.inside && !s.found {
		return s, false
	}
	if op&syntax.EmptyEndText != 0 {
		s.ended = true
	}
	return s, true
}

// firstForbidden returns a forbidden character that the instruction reads.
func firstForbidden(inst *syntax.Inst) (rune, bool) {
	for _, r := range forbiddenRunes {
		if inst.MatchRune(r) {
			return r, true
		}
	}
	return -1, false
}
