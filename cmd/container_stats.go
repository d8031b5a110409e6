package cmd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
)

func newStats(app *App) *cli.Command {
	return &cli.Command{
		Name:      "stats",
		Usage:     "Show what containers use of the machine",
		ArgsUsage: "[CONTAINER...]",
		Description: `Shows processor time, memory, network and block I/O of the containers that run,
again and again until it is interrupted.

Examples:
skiff stats --no-stream
skiff stats --format "table {{.Name}} {{.MemUsage}}" web`,
		Flags: []cli.Flag{
			toggle("Show containers that do not run, too", "all", "a"),
			text("Print in this `format`: json, a Go template, or \"table\" and a Go template", "format"),
			&cli.IntFlag{Name: "interval", Aliases: []string{"i"}, Value: 5, Usage: "Print every so many `seconds`"},
			toggle("Show the container made last", "latest", "l"),
			toggle("Do not clear the screen between two tables", "no-reset"),
			toggle("Print once", "no-stream"),
			toggle("Do not shorten ids", "no-trunc"),
		},
		Action: func(c *cli.Context) error { return showStats(app, c) },
	}
}

// statsRow is a container's use as stats prints it. Its methods are the template
// fields of docker and podman.
type statsRow struct {
	s       libpod.Stats
	given   string
	noTrunc bool
	docker  bool
}

func percent(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) + "%" }

func (r statsRow) ID() string {
	if r.noTrunc {
		return r.s.ID
	}
	return format.ShortID(r.s.ID)
}
func (r statsRow) ContainerID() string { return r.s.ID }
func (r statsRow) Name() string        { return r.s.Name }

// Container is the container as the user named it. Docker's.
func (r statsRow) Container() string {
	if r.given != "" {
		return r.given
	}
	return r.ID()
}
func (r statsRow) CPUPerc() string       { return percent(r.s.CPUPercent) }
func (r statsRow) CPU() float64          { return r.s.CPUPercent }
func (r statsRow) AVGCPU() string        { return percent(r.s.CPUAverage) }
func (r statsRow) AvgCPU() float64       { return r.s.CPUAverage }
func (r statsRow) CPUNano() int64        { return int64(r.s.CPUTime) }
func (r statsRow) Duration() int64       { return r.CPUNano() }
func (r statsRow) CPUSystemNano() int64  { return int64(r.s.CPUKernel) }
func (r statsRow) UpTime() time.Duration { return r.s.CPUTime }
func (r statsRow) Up() string            { return r.s.CPUTime.String() }
func (r statsRow) MemPerc() string       { return percent(r.s.MemoryPercent()) }
func (r statsRow) MemLimit() int64       { return r.s.MemoryLimit }
func (r statsRow) PIDs() string          { return strconv.FormatInt(r.s.Pids, 10) }
func (r statsRow) PIDS() string          { return r.PIDs() }
func (r statsRow) BlockInput() int64     { return r.s.BlockRead }
func (r statsRow) BlockOutput() int64    { return r.s.BlockWrite }
func (r statsRow) MemUsageBytes() string {
	return binarySize(r.s.Memory) + " / " + binarySize(r.s.MemoryLimit)
}

// SystemNano is the time of the sample in nanoseconds since 1970.
func (r statsRow) SystemNano() int64 {
	if r.s.Taken.IsZero() {
		return 0
	}
	return r.s.Taken.UnixNano()
}

// Network is what each of the container's interfaces received and sent, in bytes.
func (r statsRow) Network() map[string]statsNetwork {
	all := map[string]statsNetwork{}
	for name, n := range r.s.Network {
		all[name] = statsNetwork{n.Received, n.Sent}
	}
	return all
}

// statsNetwork has Podman's names.
type statsNetwork struct{ RxBytes, TxBytes int64 }

func (r statsRow) MemUsage() string {
	if r.docker {
		return r.MemUsageBytes()
	}
	return r.pair(r.s.Memory, r.s.MemoryLimit)
}

func (r statsRow) BlockIO() string { return r.pair(r.s.BlockRead, r.s.BlockWrite) }

// pair is two sizes, with as many digits as docker and podman show.
func (r statsRow) pair(a, b int64) string {
	size := format.FineSize
	if r.docker {
		size = format.Size
	}
	return size(a) + " / " + size(b)
}

// NetIO is what all interfaces received and sent.
func (r statsRow) NetIO() string {
	var in, out int64
	for _, n := range r.s.Network {
		in, out = in+n.Received, out+n.Sent
	}
	return r.pair(in, out)
}

// statsDocument is a row of podman's JSON.
type statsDocument struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	CPUTime    string `json:"cpu_time"`
	CPUPercent string `json:"cpu_percent"`
	AverageCPU string `json:"avg_cpu"`
	MemUsage   string `json:"mem_usage"`
	MemPerc    string `json:"mem_percent"`
	NetIO      string `json:"net_io"`
	BlockIO    string `json:"block_io"`
	Pids       string `json:"pids"`
}

func (r statsRow) document() statsDocument {
	return statsDocument{r.ID(), r.Name(), r.Up(), r.CPUPerc(), r.AVGCPU(), r.MemUsage(), r.MemPerc(), r.NetIO(), r.BlockIO(), r.PIDs()}
}

// fields are docker's, in its order.
func (r statsRow) fields() []field {
	return []field{
		{"BlockIO", r.BlockIO()}, {"CPUPerc", r.CPUPerc()}, {"Container", r.Container()}, {"ID", r.ID()},
		{"MemPerc", r.MemPerc()}, {"MemUsage", r.MemUsage()}, {"Name", r.Name()}, {"NetIO", r.NetIO()}, {"PIDs", r.PIDs()},
	}
}

// MarshalJSON is what the template function json makes of a row.
func (r statsRow) MarshalJSON() ([]byte, error) { return object(r.fields()), nil }

func statsListing(app *App) listing[statsRow] {
	l := listing[statsRow]{
		heads: map[string]string{
			"ID": "ID", "CPUPerc": "CPU %", "AVGCPU": "AVG CPU %", "MemUsage": "MEM USAGE / LIMIT",
			"MemUsageBytes": "MEM USAGE / LIMIT", "MemPerc": "MEM %", "NetIO": "NET IO", "BlockIO": "BLOCK IO",
			"PIDs": "PIDS", "UpTime": "CPU TIME",
		},
		fields: statsRow.fields,
		document: func(rows []statsRow) any {
			docs := make([]statsDocument, len(rows))
			for i, r := range rows {
				docs[i] = r.document()
			}
			return docs
		},
	}
	id := "ID"
	if app.Docker {
		id = "CONTAINER ID"
		l.heads["ID"], l.heads["NetIO"], l.heads["BlockIO"] = id, "NET I/O", "BLOCK I/O"
	}
	l.columns = []format.Column[statsRow]{
		{Head: id, Cell: statsRow.ID}, {Head: "NAME", Cell: statsRow.Name}, {Head: "CPU %", Cell: statsRow.CPUPerc},
		{Head: "MEM USAGE / LIMIT", Cell: statsRow.MemUsage}, {Head: "MEM %", Cell: statsRow.MemPerc},
		{Head: l.heads["NetIO"], Cell: statsRow.NetIO}, {Head: l.heads["BlockIO"], Cell: statsRow.BlockIO}, {Head: "PIDS", Cell: statsRow.PIDs},
	}
	if !app.Docker {
		l.columns = append(l.columns, format.Column[statsRow]{Head: "CPU TIME", Cell: statsRow.Up}, format.Column[statsRow]{Head: "AVG CPU %", Cell: statsRow.AVGCPU})
	}
	return l
}

// firstSpan is the time between the two readings that one table needs: a share
// of the processor is always one of a span of time.
const firstSpan = 500 * time.Millisecond

// statsView is one run of stats.
type statsView struct {
	app     *App
	meter   *libpod.Meter
	choose  func() ([]string, error)
	given   map[string]string // as the user named them, by id
	format  string
	noTrunc bool
	clear   bool
}

func showStats(app *App, c *cli.Context) error {
	if n := c.NArg(); n > 0 && (c.Bool("all") || c.Bool("latest")) || c.Bool("all") && c.Bool("latest") {
		return usagef("--all, --latest and containers cannot be used together")
	}
	if c.Int("interval") < 1 {
		return usagef("invalid value %d for --interval: want at least 1 second", c.Int("interval"))
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	v := &statsView{
		app: app, meter: e.Meter(), format: app.listFormat(c, func(d dockerConfig) string { return d.StatsFormat }), noTrunc: c.Bool("no-trunc"), given: map[string]string{},
		clear: !c.Bool("no-reset") && !c.Bool("no-stream") && !format.IsJSON(c.String("format")) && isTerminal(app.Out),
	}
	if v.choose, err = statsChoice(c, e, v.given); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	every := time.Duration(c.Int("interval")) * time.Second
	if app.Docker && !c.IsSet("interval") {
		every = time.Second
	}
	if _, err := v.read(ctx); err != nil {
		return err
	}
	for span := firstSpan; waitFor(ctx, span) == nil; span = every {
		if err := v.show(ctx); err != nil || c.Bool("no-stream") {
			return err
		}
	}
	return nil
}

// statsChoice is which containers are shown: those that were named or, anew each
// time, those that run.
func statsChoice(c *cli.Context, e *libpod.Engine, given map[string]string) (func() ([]string, error), error) {
	if c.NArg() > 0 || c.Bool("latest") {
		ids, err := e.Select(libpod.Selection{Refs: c.Args().Slice(), Latest: c.Bool("latest")})
		if err != nil {
			return nil, err
		}
		for i, id := range ids {
			if len(ids) == c.NArg() {
				given[id] = c.Args().Get(i)
			}
		}
		return func() ([]string, error) { return ids, nil }, nil
	}
	all := c.Bool("all")
	return func() ([]string, error) {
		found, err := e.ContainerList(libpod.ListOptions{All: all})
		ids := make([]string, len(found))
		for i := range found {
			ids[i] = found[i].Config.ID
		}
		return ids, err
	}, nil
}

func (v *statsView) read(ctx context.Context) ([]libpod.Stats, error) {
	ids, err := v.choose()
	if err != nil {
		return nil, err
	}
	return v.meter.Read(ctx, ids)
}

// show prints one table, on a terminal over the one before: all at once, line by
// line, so that nothing flickers.
func (v *statsView) show(ctx context.Context) error {
	found, err := v.read(ctx)
	if err != nil {
		return err
	}
	rows := make([]statsRow, len(found))
	for i, s := range found {
		rows[i] = statsRow{s: s, given: v.given[s.ID], noTrunc: v.noTrunc, docker: v.app.Docker}
	}
	var buf bytes.Buffer
	out := *v.app
	out.Out = &buf
	if err := statsListing(v.app).print(&out, v.format, rows); err != nil {
		return err
	}
	shown := buf.String()
	if v.clear {
		shown = "\x1b[H" + strings.ReplaceAll(shown, "\n", "\x1b[K\n") + "\x1b[J"
	}
	_, err = fmt.Fprint(v.app.Out, shown)
	return err
}
