// Package plot draws the benchmark's figures as SVG: bars and lines, with axes
// that say what they show and in which unit. A figure carries its own
// background and changes its colours with the reader's preference for light or
// dark; series differ by dashes and marks too, not by colour alone.
//
// It is pure: the same data gives the same bytes. It imports the standard
// library only.
package plot
