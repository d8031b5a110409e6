package state

import (
	"errors"
	"fmt"
	"os"

	"skiff/state/jsonfile"
)

// Survey is a look at all containers at once, for lists. It knows from two
// directories which containers are there and which can be running at all, and
// so reads of most of them only what is shown of them.
type Survey struct {
	// IDs are the containers' in no particular order.
	IDs    []string
	bootID string
	dir    *os.File        // that of Roots.Containers; nil where there is none
	runs   map[string]bool // those with a directory below the run root
}

// Survey looks at the containers that there are now. The caller closes it.
func (s *Store) Survey() (*Survey, error) {
	v := &Survey{bootID: s.BootID, runs: map[string]bool{}}
	var err error
	if v.dir, err = os.Open(s.Roots.Containers()); errors.Is(err, os.ErrNotExist) {
		return v, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list containers: %w", err)
	}
	if v.IDs, err = idsIn(v.dir); err != nil {
		v.Close()
		return nil, err
	}
	running, err := idsAt(s.Roots.Runs())
	if err != nil {
		running = v.IDs // nobody knows, so ask for each
	}
	for _, id := range running {
		v.runs[id] = true
	}
	return v, nil
}

// idsAt is idsIn for a directory that need not be there.
func idsAt(path string) ([]string, error) {
	dir, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return idsIn(dir)
}

// Close ends the survey and its readers.
func (v *Survey) Close() {
	if v.dir != nil {
		v.dir.Close()
	}
}

// SurveyReader reads containers of a survey, one after the other.
type SurveyReader struct {
	survey *Survey
	dir    int
	buf    []byte // a file's text
	rest   []byte // what of it encoding/json decodes
	status Status // here, so that not each needs memory of its own
}

// Reader gives a new reader. One reader is for one goroutine.
func (v *Survey) Reader() *SurveyReader {
	r := &SurveyReader{survey: v, dir: -1}
	if v.dir != nil {
		r.dir = int(v.dir.Fd())
	}
	return r
}

// Ended reads a container that does not run, and of which no start left
// anything behind: its config, of which only the fields that lists show are set
// (see decodeListed), and its status. It takes no lock.
//
// False says nothing about the container but that Load and Status have to be
// asked.
func (r *SurveyReader) Ended(id string) (*Config, Status, bool) {
	// The status comes first. A removal takes the config away before anything
	// else, so where there is a config the status was not missing for that.
	if !r.Quiet(id) {
		return nil, Status{}, false
	}
	data, err := r.read(id + "/config.json")
	if err != nil {
		return nil, Status{}, false
	}
	cfg := &Config{}
	if !r.decodeListed(data, cfg) || cfg.Version > ConfigVersion || cfg.ID != id {
		return nil, Status{}, false
	}
	return cfg, r.status, true
}

// Quiet is Ended without the config, for those who look for what has to be
// repaired: true says that there is nothing.
func (r *SurveyReader) Quiet(id string) bool {
	if r.survey.runs[id] {
		return false
	}
	r.status = Status{}
	data, err := r.read(id + "/exit.json")
	if errors.Is(err, os.ErrNotExist) {
		r.status = Status{Version: StatusVersion, BootID: r.survey.bootID, Phase: Created}
		return true
	}
	return err == nil && r.decodeStatus(data, &r.status) && !r.status.Phase.Active()
}

func (r *SurveyReader) read(path string) ([]byte, error) {
	data, err := jsonfile.ReadAt(r.dir, path, r.buf)
	if err == nil {
		r.buf = data
	}
	return data, err
}
