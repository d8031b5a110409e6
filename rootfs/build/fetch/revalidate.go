package fetch

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/opencontainers/go-digest"
)

// Copy is what was got from a URL once, by its digest, and what the server calls
// that state of it: with that it can be asked whether there is a newer one. The zero
// value is nothing.
type Copy struct {
	Digest digest.Digest
	// ETag and LastModified are the answer's headers of these names; one may be empty.
	// RFC 9110, section 8.8.
	ETag, LastModified string
}

const (
	// maxValidator bounds an ETag in bytes; who sends longer ones is not asked with them.
	maxValidator = 1 << 10
	// settled is how long before its answer a server must have written a file last:
	// Last-Modified tells seconds only, so that a younger file may change unseen.
	settled = 2 * time.Second
)

// usable reports whether a server can be asked for something newer.
func (c Copy) usable() bool {
	return c.Digest.Validate() == nil && (c.ETag != "" || c.LastModified != "")
}

// Got is what was downloaded, for Options.Known of the next build; false if nothing
// was, or the server did not say how to ask for something newer.
func (s *Source) Got() (Copy, bool) {
	if s.file == nil {
		return Copy{}, false
	}
	return s.file.Copy, s.file.usable()
}

// Changed reports whether Open gave other content than that for which Identity stands.
func (s *Source) Changed() bool { return s.changed }

// revalidate asks the server whether it still has the known content, and gets what
// it has if that is another.
func (s *Source) revalidate(ctx context.Context) error {
	if s.same || !s.opt.Known.usable() {
		return s.download(ctx)
	}
	f, err := s.fetch(ctx, s.opt.Known)
	s.file, s.same = f, f == nil && err == nil
	return err
}

// ask makes a request one for something newer.
func (c Copy) ask(req *http.Request) {
	switch {
	case !c.usable():
	case c.ETag != "":
		req.Header.Set("If-None-Match", c.ETag)
	default:
		req.Header.Set("If-Modified-Since", c.LastModified)
	}
}

// answered reports whether the server says that there is nothing newer. Some say so
// only by sending the same ETag again; then the content need not be read.
func (c Copy) answered(resp *http.Response) bool {
	if !c.usable() {
		return false
	}
	tag := resp.Header.Get("ETag")
	switch resp.StatusCode {
	case http.StatusNotModified:
		return true // to what was asked: only one state was named
	case http.StatusOK:
		return c.ETag != "" && strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(c.ETag, "W/")
	}
	return false
}

// copyOf is what to remember of an answer.
func copyOf(resp *http.Response, d digest.Digest) Copy {
	c := Copy{Digest: d}
	if tag := resp.Header.Get("ETag"); len(tag) <= maxValidator && !strings.ContainsFunc(tag, unicode.IsControl) {
		c.ETag = tag
	}
	modified, err := http.ParseTime(resp.Header.Get("Last-Modified"))
	if err != nil {
		return c
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	if now.Sub(modified) >= settled {
		c.LastModified = modified.UTC().Format(http.TimeFormat)
	}
	return c
}
