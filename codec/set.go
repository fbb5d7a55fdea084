package codec

import (
	"fmt"
	"mime"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/gentask/gentask/queue"
)

// Config says which codecs a Set has, and whether it compresses. The zero value is right.
type Config struct {
	// Codecs are asked in order which one a value fits, when it is encoded, and looked up by content type when it is decoded. Nil means
	// Protobuf, Raw and JSON.
	Codecs []Codec

	// Untyped is the content type of messages that say none. Empty means application/json.
	Untyped string

	// Compression is how Encode compresses. The zero Compression is not at all. Decode undoes any.
	Compression Compression

	// Version is the version of the payload, which Encode writes into the header queue.HeaderVersion: see gentask.Config.Versions. Empty writes none.
	Version string

	// MinBytes is the least length of a body that is compressed. Zero means 1 KiB.
	MinBytes int

	// MaxBytes is the most that a body may have when Decode has decompressed it, so that a small message can't fill the memory. Zero means
	// 16 MiB.
	MaxBytes int
}

// Set is the codecs of a program. It is safe for concurrent use.
type Set struct {
	cfg    Config
	byType map[string]Codec
	known  []string

	squeeze *zstd.Encoder
	expand  *zstd.Decoder
}

// New makes a Set. It returns an error that wraps queue.ErrConfig and names the field.
func New(cfg Config) (*Set, error) {
	if cfg.Codecs == nil {
		cfg.Codecs = []Codec{Protobuf{}, Raw{}, JSON{}}
	}
	if cfg.Untyped == "" {
		cfg.Untyped = JSON{}.ContentTypes()[0]
	}
	if cfg.MinBytes == 0 {
		cfg.MinBytes = 1 << 10
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 16 << 20
	}
	s := &Set{cfg: cfg, byType: map[string]Codec{}}
	for _, c := range cfg.Codecs {
		for _, name := range c.ContentTypes() {
			if s.byType[name] == nil {
				s.byType[name] = c
				s.known = append(s.known, name)
			}
		}
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%w: codec.Config.%w", queue.ErrConfig, err)
	}
	return s, s.prepare()
}

// check refuses what makes no sense.
func (s *Set) check() error {
	unfit := func(field string, value any, want string) error {
		return fmt.Errorf("%s is %v; want %s", field, value, want)
	}
	switch {
	case s.cfg.MinBytes < 0:
		return unfit("MinBytes", s.cfg.MinBytes, "0 for 1 KiB, or more")
	case s.cfg.MaxBytes < 0:
		return unfit("MaxBytes", s.cfg.MaxBytes, "0 for 16 MiB, or more")
	case s.byType[s.cfg.Untyped] == nil:
		return unfit("Untyped", s.cfg.Untyped, "one of "+strings.Join(s.known, ", "))
	case s.cfg.Compression > Zstd:
		return unfit("Compression", s.cfg.Compression, "None, Gzip or Zstd")
	}
	return nil
}

// Decode turns the body of msg into the value that into points to, by content type and content encoding; it fits gentask.Config.Decode. It returns an
// *UnknownError for a type or an encoding that the Set doesn't know, and an error that wraps ErrTooLarge for a body that is larger than it
// seemed.
func (s *Set) Decode(msg *queue.Message, into any) error {
	codec, err := s.lookup(msg.ContentType)
	if err != nil {
		return err
	}
	body, err := s.decompress(msg)
	if err != nil {
		return err
	}
	return codec.Unmarshal(body, into)
}

// lookup finds the codec for a content type, parameters and case aside.
func (s *Set) lookup(contentType string) (Codec, error) {
	if contentType == "" {
		return s.byType[s.cfg.Untyped], nil
	}
	name, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		name = contentType
	}
	if c := s.byType[name]; c != nil {
		return c, nil
	}
	if c := s.byType[JSON{}.ContentTypes()[0]]; c != nil && strings.HasSuffix(name, "+json") {
		return c, nil
	}
	return nil, &UnknownError{What: "content type", Name: contentType, Known: slices.Clone(s.known)}
}

// Encode makes a message of v, by the first codec that it fits, with its content type, and compressed if that makes it smaller. The other fields are
// the caller's.
func (s *Set) Encode(v any) (queue.Message, error) {
	for _, c := range s.cfg.Codecs {
		if !c.Fits(v) {
			continue
		}
		body, err := c.Marshal(v)
		if err != nil {
			return queue.Message{}, fmt.Errorf("codec: encode a %T as %s: %w", v, c.ContentTypes()[0], err)
		}
		msg := queue.Message{Body: body, ContentType: c.ContentTypes()[0]}
		if s.cfg.Version != "" {
			msg.Headers = map[string]string{queue.HeaderVersion: s.cfg.Version}
		}
		return msg, s.compress(&msg)
	}
	return queue.Message{}, fmt.Errorf("codec: no codec fits a %T; there are %s", v, strings.Join(s.known, ", "))
}
