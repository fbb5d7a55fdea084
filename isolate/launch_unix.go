//go:build unix

package isolate

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// supported returns why the platform can't isolate jobs; nil if it can.
func supported() error { return nil }

// launch starts the child, and begins to serve it.
func (p *process) launch(w *warden) (err error) {
	var theirs, ours files
	defer func() {
		theirs.close()
		if err != nil {
			ours.close()
		}
	}()
	null := theirs.add(os.Open(os.DevNull))
	theirIn, in := pipe(&theirs, &ours)
	out, theirOut := pipe(&ours, &theirs)
	output, theirOutput := pipe(&ours, &theirs)
	if err = errors.Join(theirs.err, ours.err); err != nil {
		return err
	}
	fds := []*os.File{theirIn, theirOut, theirOutput}
	if !p.program.lines {
		var page *os.File
		if p.mark, page, err = newMark(); err != nil {
			return err
		}
		fds = []*os.File{null, theirOutput, theirOutput, theirIn, theirOut, theirs.add(page, nil)}
	}
	if err = p.begin(w, p.cfg.attr(p.cfg.environment(), fds)); err != nil {
		p.mark.close()
		return err
	}
	p.in, p.out, p.err = in, out, output
	p.reader, p.writer = p.program.frames(in, out, p.cfg.MaxReply+maxFrame)
	p.attach()
	return nil
}

// launchOnce starts a program for one job.
func (p *process) launchOnce(w *warden, env []string, body []byte) (err error) {
	var theirs, ours files
	defer func() {
		theirs.close()
		if err != nil {
			ours.close()
		}
	}()
	theirIn, in := pipe(&theirs, &ours)
	output, theirOutput := pipe(&ours, &theirs)
	if err = errors.Join(theirs.err, ours.err); err != nil {
		return err
	}
	if err = p.begin(w, p.cfg.attr(env, []*os.File{theirIn, theirOutput, theirOutput})); err != nil {
		return err
	}
	p.in, p.err = in, output
	go p.feed(body)
	go p.listen()
	return nil
}

// begin starts the process, with all of its limits.
func (p *process) begin(w *warden, attr *os.ProcAttr) (err error) {
	if attr.Sys.Credential, err = p.cfg.credential(); err != nil {
		return err
	}
	given := len(attr.Files)
	report, path, args, err := p.cfg.launcher(p.program, attr)
	if err != nil {
		return err
	}
	defer closeAll(attr.Files[given:])
	if err = p.startInLeaf(w, path, args, attr); err != nil {
		closeAll([]*os.File{report})
	}
	p.report = report
	return err
}

// startInLeaf starts the process in a cgroup of its own, if it is to have one.
func (p *process) startInLeaf(w *warden, path string, args []string, attr *os.ProcAttr) (err error) {
	if p.leaf, err = p.cfg.newLeaf(); err != nil {
		return err
	}
	dir, err := p.leaf.open(attr.Sys)
	if err == nil {
		p.proc, err = w.start(path, args, attr, p.leaf)
		closeAll([]*os.File{dir})
	}
	if err != nil {
		_ = p.leaf.remove() // the first error counts
	}
	return err
}

// files are some that are closed together.
type files struct {
	all []*os.File
	err error // of the first that could not be opened
}

func (f *files) add(one *os.File, err error) *os.File {
	if err != nil {
		f.err = errors.Join(f.err, err)
	} else {
		f.all = append(f.all, one)
	}
	return one
}

func (f *files) close() { closeAll(f.all) }

// pipe opens a pipe, and adds its ends to those of their owners.
func pipe(reader, writer *files) (r, w *os.File) {
	r, w, err := os.Pipe()
	reader.add(r, err)
	writer.add(w, err)
	return r, w
}

// ownGroup makes a process the first of a group, so that no terminal sends it signals.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// ignoreSignals makes this process outlive what ends the program.
func ignoreSignals() { signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT) }

// attr returns the attributes of a child with such files.
func (c Config) attr(env []string, files []*os.File) *os.ProcAttr {
	sys := ownGroup()
	dieWithParent(sys)
	return &os.ProcAttr{Dir: c.Dir, Env: env, Files: files, Sys: sys}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close() // no data is in them
		}
	}
}

// signalGroup sends a signal to all processes of a group.
func signalGroup(group int, s syscall.Signal) {
	_ = syscall.Kill(-group, s) // none may be left
}

// maxRSS returns how much main memory a dead process has had at most.
func maxRSS(state *os.ProcessState) uint64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return uint64(usage.Maxrss) * rssUnit
}

// limitFiles limits how many files this process may have open.
func limitFiles(n uint64) error {
	var limit syscall.Rlimit
	setNumber(&limit.Cur, n)
	setNumber(&limit.Max, n)
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// setNumber sets a field whose type depends on the system.
func setNumber[T int64 | uint64](field *T, n uint64) { *field = T(n) }

// filesOfChild returns what a child reads and writes, and its mark. A program that it starts does
// not get them.
func filesOfChild() (in, out *os.File, m mark, err error) {
	for fd := childIn; fd <= childMark; fd++ {
		syscall.CloseOnExec(fd)
	}
	page := os.NewFile(childMark, "mark")
	m, err = openMark(page)
	closeAll([]*os.File{page})
	return os.NewFile(childIn, "in"), os.NewFile(childOut, "out"), m, err
}

// The descriptors of a child.
const (
	childIn   = 3
	childOut  = 4
	childMark = 5
)
