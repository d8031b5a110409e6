package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/docker/distribution/registry/api/errcode"
	"go.podman.io/image/v5/docker"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/store"
	"skiff/state"
)

// Cause tells in a few words why something failed, and of which kind
// (imagecall.Fail…) that is. The registry stack wraps what happened in what it
// was doing at the time; of that only the last part is kept.
func Cause(err error) (kind, text string) {
	switch {
	case errors.Is(err, state.ErrNotFound):
		return imagecall.FailNotFound, oneLine(err.Error())
	case errors.Is(err, state.ErrInUse):
		return imagecall.FailInUse, oneLine(err.Error())
	case errors.Is(err, state.ErrInvalid), errors.Is(err, state.ErrAmbiguous):
		return imagecall.FailUsage, oneLine(err.Error())
	case loginKind(err) != "":
		return loginKind(err), err.Error()
	case errors.Is(err, context.Canceled):
		return imagecall.FailOther, "interrupted"
	case errors.Is(err, syscall.ENOSPC), strings.Contains(err.Error(), "no space left on device"):
		return imagecall.FailOther, "no space left on device"
	}
	if kind, text := answer(err); text != "" {
		return kind, text + mirrors(err)
	}
	if text := connection(err); text != "" {
		return imagecall.FailOther, text + mirrors(err)
	}
	var refused *store.Refused
	if errors.As(err, &refused) {
		return imagecall.FailOther, oneLine(refused.Error())
	}
	return imagecall.FailOther, oneLine(unpacking(trim(err.Error())))
}

// unpacking takes what the program that unpacks layers said out of the frame
// "PROGRAM'S END; output: WHAT IT SAID)".
func unpacking(text string) string {
	end, said, ok := strings.Cut(text, "; output: ")
	if !ok {
		return damage(text)
	}
	said, _, _ = strings.Cut(said, ") exhausting input failed")
	said = strings.TrimSuffix(strings.TrimSpace(said), ")")
	if !strings.HasPrefix(end, "exit status") || said == "" {
		said = end
	}
	if d := damage(said); d != said {
		return d
	}
	return "cannot unpack a layer: " + said
}

// damage says in plain words what is wrong with an archive, or text again.
func damage(text string) string {
	if strings.Contains(text, "archive/tar: invalid tar header") {
		return "the archive is damaged"
	}
	return text
}

// answer is for what a registry said.
func answer(err error) (kind, text string) {
	var unauthorized docker.ErrUnauthorizedForCredentials
	if errors.As(err, &unauthorized) {
		return imagecall.FailAuth, "unauthorized: invalid username/password"
	}
	var code errcode.Error
	if errors.As(err, &code) {
		message := code.Message
		if message == "" {
			message = code.Code.Message()
		}
		message = oneLine(message)
		switch code.Code.Descriptor().Value {
		case "MANIFEST_UNKNOWN", "NAME_UNKNOWN", "TAG_INVALID":
			return imagecall.FailNotFound, message
		case "UNAUTHORIZED":
			// On a push Podman's words say where; scripts look for them.
			if i := strings.Index(err.Error(), "checking whether a blob "); i >= 0 {
				return imagecall.FailAuth, oneLine(err.Error()[i:])
			}
			return imagecall.FailAuth, "unauthorized: " + message
		case "DENIED":
			return imagecall.FailAuth, "denied: " + message
		}
		return imagecall.FailOther, message
	}
	if errors.Is(err, docker.ErrTooManyRequests) {
		return imagecall.FailOther, "the registry refuses more requests for now"
	}
	var status docker.UnexpectedHTTPStatusError
	if errors.As(err, &status) {
		kind := imagecall.FailOther
		if status.StatusCode == http.StatusNotFound {
			kind = imagecall.FailNotFound
		}
		return kind, fmt.Sprintf("the registry answered %d %s", status.StatusCode, http.StatusText(status.StatusCode))
	}
	return "", ""
}

// refused names the registry that did not answer the first question in the words
// that others have for it, and its address where that is not the name.
func refused(err error) string {
	const what, why = "pinging container registry ", "connection refused"
	_, rest, _ := strings.Cut(err.Error(), what)
	host, _, ok := strings.Cut(rest, ": ")
	if !ok || len(host) > 300 || strings.ContainsAny(host, " \n\"") {
		return why + at(err)
	}
	if by := strings.TrimPrefix(at(err), " by "); by != "" && by != host {
		host += " at " + by
	}
	return what + host + ": " + why
}

// connection is for registries that could not be talked to.
func connection(err error) string {
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var notTLS tls.RecordHeaderError
	var alert tls.AlertError
	var timeout net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("no such host %q", dns.Name)
	case errors.As(err, &dns):
		return fmt.Sprintf("cannot look up the host %q: %s", dns.Name, oneLine(dns.Err))
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused(err)
	case errors.As(err, &unknown):
		return "the registry's certificate is signed by an unknown authority (x509)"
	case errors.As(err, &hostname):
		return "the registry's certificate is for another host (x509): " + oneLine(hostname.Error())
	case errors.As(err, &invalid):
		return "the registry's certificate is not valid (x509): " + oneLine(invalid.Error())
	case errors.As(err, &alert):
		return "the registry refuses the connection: " + oneLine(alert.Error())
	case errors.As(err, &notTLS), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "the registry speaks plain HTTP: allow it with --tls-verify=false or as insecure in registries.conf"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "the registry cannot be reached" + at(err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the registry does not answer" + at(err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the registry closed the connection" + at(err)
	}
	return ""
}

// mirrors is what the registry's mirrors said. The registry stack has it as
// text only, before the registry's own error.
func mirrors(err error) string {
	_, rest, ok := strings.Cut(err.Error(), "(Mirrors also failed: [")
	said, _, whole := strings.Cut(rest, "]): ")
	if !ok || !whole {
		return ""
	}
	// Of each, "reference: step: … : reason", the two ends tell.
	var each []string
	for _, m := range strings.Split(said, "]\n[") {
		where, _, _ := strings.Cut(m, ": ")
		each = append(each, where+": "+m[strings.LastIndex(m, ": ")+len(": "):])
	}
	return "; tried mirror " + oneLine(strings.Join(each, ", "))
}

// at is the address of a failed connection.
func at(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		return " by " + op.Addr.String()
	}
	return ""
}

// trim drops, from the left, what the registry stack says it was doing.
func trim(text string) string {
	for {
		head, rest, ok := strings.Cut(text, ": ")
		if !ok || !isStep(head) {
			return text
		}
		text = rest
	}
}

func isStep(head string) bool {
	for _, step := range []string{
		"initializing source", "setting up to decompress blob", "initializing destination", "reading manifest", "fetching manifest",
		"copying system image from manifest list", "copying config", "writing blob", "reading blob",
		"storing blob to file", "storing layer", "storing image", "writing config", "writing manifest", "trying to reuse blob",
		"choosing an image", "choosing image instance", "parsing image configuration", "committing the finished image",
		"pinging container registry", "creating an updated image manifest", "layer ", "unpacking failed",
		"processing tar file", "determining manifest MIME type", "Source image rejected", "Error committing",
		"happened during read", "docker-archive", "adding layer", "copying layers", "determining updated manifest",
		"copying images", "copying image", "writing layer", "reading image", "loading manifest",
	} {
		if strings.HasPrefix(head, step) {
			return true
		}
	}
	return false
}

// oneLine makes one line without control characters of text that may come from
// a registry or an archive.
func oneLine(text string) string {
	clean := func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}
	text = strings.Join(strings.Fields(strings.Map(clean, text)), " ")
	const most = 500
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}
