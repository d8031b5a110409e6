package progress

import (
	"encoding/json"
	"io"
	"time"
)

// raw writes BuildKit's client.SolveStatus as JSON, one a line, as far as a build
// of one machine fills it.
type raw struct {
	b *board
	w io.Writer
}

type solveStatus struct {
	Vertexes []rawVertex  `json:"vertexes,omitempty"`
	Statuses []rawStatus  `json:"statuses,omitempty"`
	Logs     []rawLog     `json:"logs,omitempty"`
	Warnings []rawWarning `json:"warnings,omitempty"`
}

type rawVertex struct {
	Digest    string     `json:"digest,omitempty"`
	Inputs    []string   `json:"inputs,omitempty"`
	Name      string     `json:"name,omitempty"`
	Started   *time.Time `json:"started,omitempty"`
	Completed *time.Time `json:"completed,omitempty"`
	Cached    bool       `json:"cached,omitempty"`
	Error     string     `json:"error,omitempty"`
}

type rawStatus struct {
	ID        string     `json:"id"`
	Vertex    string     `json:"vertex,omitempty"`
	Name      string     `json:"name,omitempty"`
	Total     int64      `json:"total,omitempty"`
	Current   int64      `json:"current"`
	Timestamp time.Time  `json:"timestamp"`
	Started   *time.Time `json:"started,omitempty"`
	Completed *time.Time `json:"completed,omitempty"`
}

type rawLog struct {
	Vertex    string    `json:"vertex,omitempty"`
	Stream    int       `json:"stream,omitempty"`
	Data      []byte    `json:"data"`
	Timestamp time.Time `json:"timestamp"`
}

type rawWarning struct {
	Vertex string `json:"vertex,omitempty"`
	Level  int    `json:"level,omitempty"`
	Short  []byte `json:"short,omitempty"`
}

func (r *raw) write(s solveStatus) {
	if b, err := json.Marshal(s); err == nil {
		r.w.Write(append(b, '\n'))
	}
}

func (r *raw) vertex(it *item) {
	started := it.started
	v := rawVertex{Digest: it.v.ID, Inputs: it.v.Inputs, Name: it.v.Name, Started: &started, Cached: it.state == cached}
	if it.state != running {
		ended := it.ended
		v.Completed = &ended
	}
	if it.err != nil {
		v.Error = it.err.Error()
	}
	r.write(solveStatus{Vertexes: []rawVertex{v}})
}

func (r *raw) began(it *item) { r.vertex(it) }
func (r *raw) ended(it *item) { r.vertex(it) }

func (r *raw) line(it *item, stream int, text []byte) {
	r.write(solveStatus{Logs: []rawLog{{Vertex: it.v.ID, Stream: stream, Data: text, Timestamp: r.b.now()}}})
}

func (r *raw) status(it *item, p *part) {
	now := r.b.now()
	if p.ended.IsZero() && !p.shownAt.IsZero() && now.Sub(p.shownAt) < redrawEvery {
		return
	}
	p.shownAt = now
	started := p.started
	s := rawStatus{ID: p.name, Vertex: it.v.ID, Total: p.total, Current: p.current, Timestamp: now, Started: &started}
	if !p.ended.IsZero() {
		ended := p.ended
		s.Completed = &ended
	}
	r.write(solveStatus{Statuses: []rawStatus{s}})
}

func (r *raw) warn(line string) {
	r.write(solveStatus{Warnings: []rawWarning{{Short: []byte(line)}}})
}

func (r *raw) tick()       {}
func (r *raw) close(error) {}
