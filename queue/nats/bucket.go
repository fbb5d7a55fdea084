package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

// The names of a store's stream, which tools for NATS know as the key-value bucket gentask_NAME.
// The subject of a key ends with a part that no key has, so that one filter matches a prefix: a
// record of its own, and those below it.
const (
	bucketPrefix  = "gentask_"
	streamPrefix  = "KV_"
	subjectPrefix = "$KV."
	keyEnd        = "/"
)

// markerTime is how long the server keeps the mark of a record that has gone. A watch that was not
// sure for half of it that it has missed nothing reads all records again.
const markerTime = 10 * time.Second

// oldest is the first version of the server that can end single messages.
const oldestForStore = "2.11.0"

// bucket has the names of one store.
type bucket struct {
	stream string
	root   string // of subjects, with a dot at its end
	via    string // the prefix with which a client publishes to the subjects
}

func (c Config) bucket(name string) bucket {
	b := bucket{stream: streamPrefix + bucketPrefix + name, root: subjectPrefix + bucketPrefix + name + "."}
	if c.Domain != "" {
		b.via = c.apiPrefix() // the servers map it back
	}
	return b
}

// subject returns the subject of a key.
func (b bucket) subject(key string) string { return b.root + key + "." + keyEnd }

// filter returns the subjects of the keys with a prefix.
func (b bucket) filter(prefix string) string {
	if prefix == "" {
		return b.root + ">"
	}
	return b.root + prefix + ".>"
}

// key returns the key of a subject. A message of another program has none.
func (b bucket) key(subject string) (string, bool) {
	rest, ours := strings.CutPrefix(subject, b.root)
	key, whole := strings.CutSuffix(rest, "."+keyEnd)
	return key, ours && whole
}

// make makes the stream of the store, or checks the existing one.
func (s *store) make(ctx context.Context, l *link) error {
	if version := l.nc.ConnectedServerVersion(); s.broker.config.isLocal() && olderThan(version, oldestForStore) {
		return fmt.Errorf("nats: %w: the server has version %s, a store needs %s or newer",
			queue.ErrConfig, version, oldestForStore)
	}
	have, err := s.broker.findStream(ctx, l, s.bucket.stream, s.streamConfig())
	if err != nil {
		return fmt.Errorf("nats: stream %q: %w", s.bucket.stream, l.answer(ctx, err))
	}
	if err := mismatch("stream", s.bucket.stream, s.streamRules().differences(have)); err != nil {
		return err
	}
	return s.measure(l, have)
}

// isLocal reports whether the JetStream is that of the server of the URL.
func (c Config) isLocal() bool { return c.Domain == "" && c.APIPrefix == "" }

// olderThan compares versions like 2.10.16.
func olderThan(version, other string) bool {
	var a, b [3]int
	_, _ = fmt.Sscanf(version, "%d.%d.%d", &a[0], &a[1], &a[2]) // another form is as old as can be
	_, _ = fmt.Sscanf(other, "%d.%d.%d", &b[0], &b[1], &b[2])
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// streamConfig begins with a revision that no earlier stream of that name had.
func (s *store) streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:                   s.bucket.stream,
		Description:            "gentask store",
		Subjects:               []string{s.bucket.root + ">"},
		Storage:                jetstream.FileStorage,
		Discard:                jetstream.DiscardNew,
		MaxMsgsPerSubject:      1,
		MaxBytes:               s.broker.config.MaxBytes,
		Replicas:               max(s.broker.config.Replicas, 1),
		FirstSeq:               uint64(time.Now().UnixMicro()), //nolint:gosec // after 1970
		AllowDirect:            true,
		AllowRollup:            true, // for the tools
		AllowMsgTTL:            true,
		SubjectDeleteMarkerTTL: markerTime,
	}
}

// streamRules are those of a store's stream.
func (s *store) streamRules() rules {
	all := s.bucket.root + ">"
	r := rules{
		"subjects":             {must: fmt.Sprintf("a list with %q", all), holds: hasSubject(all)},
		"retention":            exactly("limits"),
		"storage":              exactly("file"),
		"max_msgs_per_subject": number(1, "1"),
		"max_age":              noTime("0 (unlimited), or records vanish"),
		"discard": {
			must:  "new, or no limits: otherwise the oldest records vanish",
			holds: func(have any, all properties) bool { return have == "new" || !all.limited() },
		},
		"discard_new_per_subject": unset("false, or a record can't be written again"),
		"allow_msg_ttl": {
			must:  "true: a server before " + oldestForStore + " can't",
			holds: func(have any, _ properties) bool { return have == true },
		},
		"subject_delete_marker_ttl": number(markerTime.Nanoseconds(), markerTime.String()),
		"no_ack":                    unset("false, or a writer gets no confirms"),
		"sealed":                    unset("false, or nothing can be written"),
		"persist_mode":              unset("default, or a confirmed record may not be on the disk"),
		"allow_msg_counter":         unset("false"),
		"allow_msg_schedules":       unset("false"),
		"subject_transform":         unset("none"),
		"mirror":                    unset("none, or nothing can be written"),
		"sources":                   unset("none, or revisions are not those of writes"),
		"num_replicas":              anything,
	}
	if n := s.broker.config.Replicas; n != 0 {
		r["num_replicas"] = number(int64(n), fmt.Sprintf("%d, as Config.Replicas", n))
	}
	return r.free("name", "description", "metadata", "placement", "compression", "first_seq", "duplicate_window",
		"max_msgs", "max_bytes", "max_msg_size", "max_consumers", "allow_rollup_hdrs", "allow_direct", "mirror_direct",
		"republish", "deny_delete", "deny_purge", "consumer_limits", "template_owner", "allow_atomic", "allow_batched")
}

// last is the newest message of a subject, which may have wildcards.
type last struct {
	Message *struct {
		Subject string    `json:"subject"`
		Seq     uint64    `json:"seq"`
		Header  []byte    `json:"hdrs"`
		Data    []byte    `json:"data"`
		Time    time.Time `json:"time"`
	} `json:"message"`
	Error *jetstream.APIError `json:"error"`
}

// lastOf returns the newest message of a subject; without one its Message is nil. It asks the
// leader, because a replica may be behind.
func (s *store) lastOf(ctx context.Context, l *link, subject string) (last, error) {
	question, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return last{}, err
	}
	raw, err := l.request(ctx, message(l.api+"STREAM.MSG.GET."+s.bucket.stream, question))
	if err != nil {
		return last{}, err
	}
	var got last
	if err := json.Unmarshal(raw.Data, &got); err != nil {
		return last{}, fmt.Errorf("nats: answer about %q: %w", subject, err)
	}
	if got.Error != nil && got.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
		return last{}, nil
	}
	if got.Error != nil {
		return last{}, got.Error
	}
	return got, nil
}

// look asks for the stream.
func (s *store) look(ctx context.Context, l *link) (*info, error) {
	raw, err := l.request(ctx, message(l.api+"STREAM.INFO."+s.bucket.stream, nil))
	if err != nil {
		return nil, err
	}
	return parseInfo("STREAM.INFO", raw.Data)
}

// isMissing reports whether the error is that there is no stream, so that it was deleted.
func isMissing(err error) bool { return errors.Is(err, jetstream.ErrStreamNotFound) }
