// Package call writes the answers to build --call: what a Dockerfile's checks
// found, what its target can be given, and which targets there are, as text and
// as the JSON that Docker's tools read.
//
// Not here: finding it out (rootfs/build/recipe).
package call

import (
	"encoding/json"
	"io"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// place is a range of lines in the JSON. Lines are counted from 1; a column is
// left out where it is 0.
type place struct {
	SourceIndex int    `json:"sourceIndex,omitempty"`
	Ranges      []span `json:"ranges,omitempty"`
}

type span struct {
	Start point `json:"start"`
	End   point `json:"end"`
}

type point struct {
	Line      int `json:"line,omitempty"`
	Character int `json:"character,omitempty"`
}

func at(ranges []parser.Range) *place {
	if len(ranges) == 0 {
		return nil
	}
	p := &place{}
	for _, r := range ranges {
		p.Ranges = append(p.Ranges, span{
			Start: point{r.Start.Line, r.Start.Character},
			End:   point{r.End.Line, r.End.Character},
		})
	}
	return p
}

// indented writes JSON for people and programs.
func indented(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
