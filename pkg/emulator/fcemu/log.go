package fcemu

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// maxLogLine is the longest line that Function Compute keeps in one piece.
const maxLogLine = 32 << 10

// A LogLine is one line that a function's process wrote.
type LogLine struct {
	Function, Instance string
	Stderr             bool
	Text               string // without the line end
}

// LogTo returns a log sink that writes each line to w with the function's name before it.
func LogTo(w io.Writer) func(LogLine) {
	return func(l LogLine) {
		_, _ = fmt.Fprintf(w, "%s | %s\n", l.Function, l.Text) // a log that cannot be written must not stop a function
	}
}

// A lineWriter cuts what a process writes into lines. It is safe for concurrent use.
type lineWriter struct {
	mu   sync.Mutex
	rest []byte
	emit func(text string)
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		switch {
		case i >= 0 && i <= maxLogLine:
			w.emit(string(bytes.TrimSuffix(w.rest[:i], []byte("\r"))))
			w.rest = w.rest[i+1:]
		case len(w.rest) > maxLogLine:
			w.emit(string(w.rest[:maxLogLine]))
			w.rest = w.rest[maxLogLine:]
		default:
			return len(p), nil
		}
	}
}

// flush emits a last line that had no line end.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) > 0 {
		w.emit(string(w.rest))
		w.rest = nil
	}
}
