package cmd

import (
	"fmt"
	"io"
	"time"
)

// Levels of --log-level, the quietest first.
var levels = [...]string{"panic", "fatal", "error", "warn", "info", "debug", "trace"}

const (
	levelWarn  = 3
	levelInfo  = 4
	levelDebug = 5
	levelTrace = 6
)

// Logger prints messages about skiff's own work in logfmt, as Podman does.
type Logger struct {
	w     io.Writer
	level int
	// system gets the messages too; nil without --syslog.
	system *systemLog
}

// parseLevel gives the place of a level's name in levels, or -1.
func parseLevel(s string) int {
	switch s {
	case "":
		return levelWarn
	case "warning":
		return levelWarn
	}
	for i, l := range levels {
		if l == s {
			return i
		}
	}
	return -1
}

func (l Logger) print(level int, msg string) {
	if l.w == nil || level > l.level {
		return
	}
	name := levels[level]
	if name == "warn" {
		name = "warning"
	}
	text := fmt.Sprintf("level=%s msg=%q", name, msg)
	fmt.Fprintf(l.w, "time=%q %s\n", time.Now().Format(time.RFC3339), text)
	if l.system != nil {
		l.system.send(level, text)
	}
}

// Warn prints what the user should know although the command goes on.
func (l Logger) Warn(msg string) { l.print(levelWarn, msg) }

// Info, Debug and Trace print more and more of what skiff does.
func (l Logger) Info(msg string)  { l.print(levelInfo, msg) }
func (l Logger) Debug(msg string) { l.print(levelDebug, msg) }
func (l Logger) Trace(msg string) { l.print(levelTrace, msg) }
