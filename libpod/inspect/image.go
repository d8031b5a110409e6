package inspect

import (
	"strconv"
	"strings"
	"time"

	"skiff/state"
)

// ImageDocument is podman's document of an image.
type ImageDocument struct {
	Id           string
	Digest       string
	RepoTags     []string
	RepoDigests  []string
	Parent       string
	Comment      string
	Created      *time.Time
	Config       *ImageConfig
	Version      string
	Author       string
	Architecture string
	Variant      string `json:",omitempty"`
	Os           string
	Size         int64
	VirtualSize  int64
	GraphDriver  GraphDriver
	RootFS       RootFS
	Labels       map[string]string
	Annotations  map[string]string
	ManifestType string
	User         string
	History      []HistoryEntry
	NamesHistory []string
	Healthcheck  *Healthcheck `json:",omitempty"`
}

// ImageConfig is what an image asks of its containers.
type ImageConfig struct {
	User         string              `json:",omitempty"`
	ExposedPorts map[string]struct{} `json:",omitempty"`
	Env          []string            `json:",omitempty"`
	Entrypoint   []string            `json:",omitempty"`
	Cmd          []string            `json:",omitempty"`
	Volumes      map[string]struct{} `json:",omitempty"`
	WorkingDir   string              `json:",omitempty"`
	Labels       map[string]string   `json:",omitempty"`
	StopSignal   string              `json:",omitempty"`
	Shell        []string            `json:",omitempty"`
	OnBuild      []string            `json:",omitempty"`
	Healthcheck  *Healthcheck        `json:",omitempty"`
}

// RootFS are the digests of the layers, the lowest first.
type RootFS struct {
	Type   string
	Layers []string
}

// HistoryEntry is one step of an image's making, as the OCI image spec has it.
type HistoryEntry struct {
	Created    *time.Time `json:"created,omitempty"`
	CreatedBy  string     `json:"created_by,omitempty"`
	Author     string     `json:"author,omitempty"`
	Comment    string     `json:"comment,omitempty"`
	EmptyLayer bool       `json:"empty_layer,omitempty"`
}

// Podman gives podman's document.
func (i Image) Podman() *ImageDocument {
	doc := &ImageDocument{
		Id: i.ID, Digest: i.Digest, RepoTags: list(i.Names), RepoDigests: list(i.RepoDigests),
		Parent: i.Parent, Comment: i.Comment, Created: when(i.Created), Config: imageConfig(i.Config),
		Author: i.Author, Architecture: i.Architecture, Variant: i.Variant, Os: i.OS,
		Size: i.Size, VirtualSize: i.Size, GraphDriver: imageGraph(i.Layers),
		RootFS: RootFS{"layers", list(i.DiffIDs)}, Labels: i.Config.Labels, Annotations: nonNil(i.Annotations),
		ManifestType: i.ManifestType, User: i.Config.User,
		NamesHistory: namesHistory(i.Image), Healthcheck: healthcheck(i.Config.Healthcheck),
	}
	for _, h := range i.History {
		doc.History = append(doc.History, HistoryEntry{when(h.Created), h.CreatedBy, h.Author, h.Comment, h.EmptyLayer})
	}
	return doc
}

// when is nil for the zero time: an image need not say when it was made.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// namesHistory are the names of now and before, each once.
func namesHistory(i *state.Image) []string {
	seen := map[string]bool{}
	names := []string{}
	for _, n := range append(append([]string{}, i.Names...), i.NamesHistory...) {
		if !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	return names
}

func imageConfig(c state.ImageConfig) *ImageConfig {
	return &ImageConfig{
		User: c.User, ExposedPorts: set(c.ExposedPorts), Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd,
		Volumes: set(c.Volumes), WorkingDir: c.WorkingDir, Labels: c.Labels, StopSignal: c.StopSignal,
		Shell: c.Shell, OnBuild: c.OnBuild, Healthcheck: healthcheck(c.Healthcheck),
	}
}

func set(names []string) map[string]struct{} {
	if len(names) == 0 {
		return nil
	}
	out := map[string]struct{}{}
	for _, n := range names {
		out[n] = struct{}{}
	}
	return out
}

func imageGraph(layers []string) GraphDriver {
	data := map[string]string{}
	if n := len(layers); n > 0 {
		data["UpperDir"] = layers[n-1]
		if n > 1 {
			data["LowerDir"] = lowerDir(layers[:n-1])
		}
	}
	return GraphDriver{Name: "overlay", Data: data}
}

// DockerImage is docker's document of an image.
type DockerImage struct {
	Id            string
	RepoTags      []string
	RepoDigests   []string
	Parent        string
	Comment       string
	Created       string `json:",omitempty"`
	DockerVersion string
	Author        string
	Config        *DockerImageConfig
	Architecture  string
	Variant       string `json:",omitempty"`
	Os            string
	Size          int64
	VirtualSize   int64
	GraphDriver   GraphDriver
	RootFS        RootFS
	Metadata      ImageMetadata
}

// ImageMetadata is what docker notes of an image beside the image itself.
type ImageMetadata struct{ LastTagTime time.Time }

// Docker gives docker's document, with the familiar names.
func (i Image) Docker() *DockerImage {
	p := i.Podman()
	doc := &DockerImage{
		Id: "sha256:" + p.Id, RepoTags: familiar(p.RepoTags), RepoDigests: familiar(p.RepoDigests),
		Comment: p.Comment, Author: p.Author, Config: p.Config.docker(),
		Architecture: p.Architecture, Variant: p.Variant, Os: p.Os, Size: p.Size, VirtualSize: p.Size,
		GraphDriver: GraphDriver{dockerDriver, p.GraphDriver.Data}, RootFS: p.RootFS, Metadata: ImageMetadata{i.Added},
	}
	if p.Created != nil {
		doc.Created = dockerTime(*p.Created)
	}
	if p.Parent != "" {
		doc.Parent = "sha256:" + p.Parent
	}
	return doc
}

func familiar(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = Familiar(n)
	}
	return out
}

// ImageSummary is podman's JSON for one image of a list.
type ImageSummary struct {
	Id          string
	ParentId    string
	RepoTags    []string `json:",omitempty"`
	RepoDigests []string
	Size        int64
	SharedSize  int64
	VirtualSize int64
	Labels      map[string]string
	Containers  int
	ReadOnly    bool     `json:",omitempty"`
	Dangling    bool     `json:",omitempty"`
	Arch        string   `json:",omitempty"`
	Os          string   `json:",omitempty"`
	Digest      string   `json:",omitempty"`
	History     []string `json:",omitempty"`
	Names       []string `json:",omitempty"`
	Created     int64
	CreatedAt   time.Time
	Repository  string `json:",omitempty"`
	Tag         string `json:",omitempty"`
}

// Summary gives podman's JSON for one row of a list.
func (i Image) Summary() ImageSummary {
	return ImageSummary{
		Id: i.ID, ParentId: i.Parent, RepoDigests: list(i.RepoDigests), Size: i.Size, VirtualSize: i.Size,
		Labels: i.Config.Labels, Containers: max(i.Containers, 0), ReadOnly: i.ReadOnly, Dangling: i.Dangling(),
		Arch: i.Architecture, Os: i.OS, Digest: i.Digest, History: namesHistory(i.Image), Names: i.Names,
		Created: i.Created.Unix(), CreatedAt: i.Created.UTC(),
	}
}

// Labels is a list of labels as docker's rows have it: key=value, sorted, with
// commas.
func Labels(m map[string]string) string {
	var b strings.Builder
	for _, k := range sortedKeys(m) {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(k + "=" + m[k])
	}
	return b.String()
}

// PortText is the ports column of ps: published ports, then those that are
// exposed only.
func PortText(ports []state.Port, expose []string) string {
	var parts []string
	seen := map[string]bool{}
	for i := 0; i < len(ports); i++ {
		p := ports[i]
		n := run(ports[i:])
		for k := range n {
			seen[portKey(ports[i+k])] = true
		}
		i += n - 1
		parts = append(parts, portSpan(p, n))
	}
	for _, e := range expose {
		if !seen[e] {
			parts = append(parts, e)
		}
	}
	return strings.Join(parts, ", ")
}

// run is how many ports in a row, on the host and in the container, begin here.
func run(ports []state.Port) int {
	n := 1
	for n < len(ports) {
		a, b := ports[n-1], ports[n]
		if a.HostIP != b.HostIP || a.Protocol != b.Protocol || a.HostPort == 0 ||
			a.HostPort+1 != b.HostPort || a.ContainerPort+1 != b.ContainerPort {
			break
		}
		n++
	}
	return n
}

func portSpan(p state.Port, n int) string {
	ip := p.HostIP
	switch {
	case ip == "":
		ip = "0.0.0.0"
	case strings.Contains(ip, ":"):
		ip = "[" + ip + "]"
	}
	span := func(first uint16) string {
		s := strconv.Itoa(int(first))
		if n > 1 {
			s += "-" + strconv.Itoa(int(first)+n-1)
		}
		return s
	}
	return ip + ":" + span(p.HostPort) + "->" + span(p.ContainerPort) + "/" + p.Protocol
}
