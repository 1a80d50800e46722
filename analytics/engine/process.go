package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// drainWait is more than the child's own five seconds.
	drainWait = 10 * time.Second
	// killWait bounds how long a killed child is waited for. One that is stuck in the
	// kernel, on a disk that is gone, cannot be helped from here; the lock of the data
	// folder keeps the next one out.
	killWait = 5 * time.Second
)

// process is one run of the child.
type process struct {
	cmd     *exec.Cmd
	pipe    io.Closer     // the parent's end; its closing tells the child to leave
	reports chan report   // closed when the child reports no more
	failure report        // the last report of a failure; to be read behind reports' end
	words   *lastWords    // what it printed
	done    chan struct{} // closed when it is gone
}

// spawn starts a child and hands it its settings.
func (s *Supervisor) spawn() (*process, error) {
	reports, reportEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(s.cfg.Command[0], s.cfg.Command[1:]...) //nolint:gosec,noctx // the caller's own binary; it is stopped gently by end
	proc := &process{cmd: cmd, reports: make(chan report), words: &lastWords{}, done: make(chan struct{})}
	// The engine reads configuration files from the working and the home folder: it
	// finds none in its own. Times without a zone are UTC.
	cmd.Dir = s.cfg.Dir
	cmd.Env = append(os.Environ(), "HOME="+s.cfg.Dir, "TZ=UTC")
	cmd.ExtraFiles = []*os.File{reportEnd}
	stdout := &lineLog{log: s.cfg.Logger, stream: "stdout", words: proc.words}
	stderr := &lineLog{log: s.cfg.Logger, stream: "stderr", words: proc.words}
	cmd.Stdout = stdout
	cmd.Stderr = stderr
	// A terminal's interrupt goes to the whole group; the parent decides when to stop.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	_ = reportEnd.Close() // the child has its own
	if err != nil {
		_ = reports.Close()
		return nil, err
	}
	proc.pipe = pipe
	go func() { // end waits for it
		_ = cmd.Wait() // its state is in cmd
		stdout.flush()
		stderr.flush()
		close(proc.done)
	}()
	go proc.listen(reports) // ends with the child
	if err := json.NewEncoder(pipe).Encode(s.settings()); err != nil {
		proc.end(0)
		return nil, fmt.Errorf("hand over its settings: %w", err)
	}
	return proc, nil
}

// settings are for the next child.
func (s *Supervisor) settings() settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return settings{
		Library:        s.cfg.Library,
		Dir:            s.cfg.Dir,
		Listen:         s.addr,
		WriterPassword: s.password,
		AnalystUser:    s.cfg.AnalystUser,
		AnalystSHA256:  s.cfg.AnalystPasswordSHA256,
		LockWait:       lockWait,
		Heartbeat:      s.cfg.Heartbeat,
		Overdue:        s.cfg.Overdue,
		KeepAlive:      s.cfg.KeepAlive,
		AnswerTime:     s.cfg.AnswerTime,
	}
}

// listen hands on the child's reports until there are no more.
func (p *process) listen(from *os.File) {
	defer close(p.reports)
	defer from.Close()
	for decoder := json.NewDecoder(from); ; {
		var rep report
		if decoder.Decode(&rep) != nil {
			return
		}
		if rep.State == stateFailed {
			p.failure = rep
		}
		select {
		case p.reports <- rep:
		case <-p.done: // nobody listens; the failure may still come
		}
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// cause says why a child that is gone has ended.
func (p *process) cause() error {
	for range p.reports {
		continue // until listen is through
	}
	rep := p.failure
	if rep.State != stateFailed {
		return fmt.Errorf("the ClickHouse engine ended (%s) %s", p.cmd.ProcessState, p.words.said("without a word"))
	}
	text := rep.Error
	if said := p.words.except(rep.Error); said != "" {
		text += ": " + said
	}
	if rep.Mend != "" {
		text += ": " + rep.Mend
	}
	if rep.Mistake {
		return &mistakeError{text}
	}
	return errors.New(text)
}

// end tells the child to leave, and kills it when it is still there after grace.
func (p *process) end(grace time.Duration) {
	_ = p.pipe.Close() // the end of its input tells it to leave
	select {
	case <-p.done:
		return
	case <-time.After(grace):
	}
	_ = p.cmd.Process.Kill()
	select {
	case <-p.done:
	case <-time.After(killWait):
	}
}
