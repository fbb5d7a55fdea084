package main

// Paths of modules.
const (
	ours       = "github.com/gentask/gentask"
	protoactor = "github.com/asynkron/protoactor-go"
	pgxModule  = "github.com/jackc/pgx/v5"
	river      = "github.com/riverqueue/river"
)

// packageNames has the package of each name that a block may use without an import.
var packageNames = map[string]string{
	"context": "context", "errors": "errors", "fmt": "fmt", "http": "net/http", "log": "log",
	"os": "os", "signal": "os/signal", "slices": "slices", "slog": "log/slog", "strings": "strings",
	"syscall": "syscall", "testing": "testing", "textproto": "net/textproto", "time": "time",
	"tls": "crypto/tls", "url": "net/url", "x509": "crypto/x509",

	"gentask": ours, "actor": ours + "/actor", "codec": ours + "/codec", "dashboard": ours + "/dashboard", "fleet": ours + "/fleet",
	"gentasktest": ours + "/gentasktest", "isolate": ours + "/isolate", "wasm": ours + "/isolate/wasm", "schedule": ours + "/schedule",
	"supervision": ours + "/supervision", "task": ours + "/task", "telemetry": ours + "/telemetry",
	"queue": ours + "/queue", "embedded": ours + "/queue/embedded", "memory": ours + "/queue/memory",
	"nats": ours + "/queue/nats", "postgres": ours + "/queue/postgres", "outbox": ours + "/queue/postgres/outbox",
	"queuetest": ours + "/queue/queuetest", "rabbitmq": ours + "/queue/rabbitmq", "watermill": ours + "/queue/watermill",

	"natsgo": "github.com/nats-io/nats.go", "pa": protoactor + "/actor", "router": protoactor + "/router",
	"pgx": pgxModule, "pgxpool": pgxModule + "/pgxpool", "proto": "google.golang.org/protobuf/proto",
	"require": "github.com/stretchr/testify/require",
	"river":   river, "riverpgxv5": river + "/riverdriver/riverpgxv5",
}

// modules are the directories of the modules that have these packages, if they exist.
var modules = []string{".", "isolate/wasm", "queue/postgres", "queue/watermill", "bench"}
