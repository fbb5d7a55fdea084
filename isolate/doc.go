// Package isolate runs jobs in child processes: the same program, started again. A job that kills
// its process, by os.Exit, a fatal error of the runtime, a crash in C code or too much memory,
// hurts no other job, and a timeout is a real kill.
//
//	var resize = isolate.Handle("resize", resizeImage, isolate.Config{Children: 4, Memory: 512 << 20})
//
//	func main() {
//		isolate.Main() // in a child: does jobs, and never returns
//		...
//		err := gentask.Run(ctx, q, resize, gentask.Config{Concurrency: 4})
//	}
//
// [Handle] and [Work] return behaviours like any others. The consumer, its policies and events,
// HandleResult and the middleware stay in the parent. Only the function runs in a child, and
// decodes the payload there. A child has one job at a time, unless [Config.PerChild] is set.
//
// # How a job ends
//
// The result of the function crosses as data. A value arrives as it is, an error as an [Error] with
// its text, a [gentask.Decision] as itself, and a panic or a runtime.Goexit as that of the job. If
// the process dies, the job has failed with a [CrashError], and another child takes its place.
//
// When a job must stop, its context in the child is cancelled. If it has not returned after
// [Config.Grace], the child's process group gets SIGTERM, and a little later SIGKILL. So an
// isolated job is never abandoned.
//
// # What it costs
//
// A job costs two writes and two reads of a pipe, and a child a few megabytes. A job that is small
// and harmless is better off in the parent. docs/isolation.md has figures, and compares it with
// other ways.
//
// # Limits
//
// It works on Linux, macOS and the BSDs; elsewhere [gentask.New] returns an error. [Config.Memory]
// and [Config.CPU] are watched on Linux only. The children have the rights of the parent, unless
// [Config.User] and [Config.Access] take some away. A limit that the system can't enforce is an
// error of New.
//
//snippets:needs ctx context.Context; q *memory.Queue; resizeImage func(context.Context, string) error
package isolate
