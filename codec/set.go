package codec

import (
	"fmt"
	"mime"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/gentask/gentask/queue"
)

// Config configures a [Set]. The zero value is ready to use.
type Config struct {
	// Codecs are the codecs of the Set. Encode uses the first that a value fits, and Decode looks
	// them up by content type. Nil means [Protobuf], [Raw] and [JSON].
	Codecs []Codec

	// Untyped is the content type of messages without one. Empty means application/json.
	Untyped string

	// Compression is how Encode compresses. The zero value is [None]. Decode undoes any.
	Compression Compression

	// Version is the version of the payload. Encode writes it into the header
	// [queue.HeaderVersion]: see gentask.Config.Versions. Empty writes none.
	Version string

	// MinBytes is the smallest body that Encode compresses. Zero means 1 KiB.
	MinBytes int

	// MaxBytes is the largest body that Decode returns when it decompresses, so that a small
	// message can't fill the memory. Zero means 16 MiB.
	MaxBytes int
}

// Set holds the codecs of a program. It is safe for concurrent use.
type Set struct {
	cfg    Config
	byType map[string]Codec
	known  []string

	squeeze *zstd.Encoder
	expand  *zstd.Decoder
}

// New returns a Set. For a wrong cfg it returns an error that wraps [queue.ErrConfig] and names the
// field.
func New(cfg Config) (*Set, error) {
	if cfg.Codecs == nil {
		cfg.Codecs = []Codec{Protobuf(), Raw(""), JSON()}
	}
	if cfg.Untyped == "" {
		cfg.Untyped = JSON().ContentTypes()[0]
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

// check returns an error for a wrong Config.
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

// Decode turns the body of msg into the value that into points to, by content type and content
// encoding. It fits gentask.Config.Decode. For a type, an encoding or a charset that the Set lacks,
// it returns an error that wraps [queue.ErrUnknown] and names the known ones. For a body that
// exceeds [Config.MaxBytes] it returns an error that wraps [ErrTooLarge].
//
// Messages of other programs are read as they write them. The header's name may be in any case, and
// its value may be deflate, bzip2, or a charset, which is no compression. Celery's header
// "compression" counts as well. JSON may be in ISO-8859-1 or UTF-16 if the content type names it,
// and text/plain is JSON unless a codec takes it: a *string and a *[]byte get the body as it is.
func (s *Set) Decode(msg *queue.Message, into any) error {
	codec, text, err := s.lookup(msg.ContentType)
	if err != nil {
		return err
	}
	body, err := s.decompress(msg)
	if err != nil {
		return err
	}
	if _, raw := into.(*[]byte); text && !raw {
		if body, err = recode(body, msg.ContentType); err != nil {
			return err
		}
	}
	return codec.Unmarshal(body, into)
}

// lookup returns the codec for a content type, without regard to parameters and case, and reports
// whether its bodies are text with a charset.
func (s *Set) lookup(contentType string) (c Codec, text bool, err error) {
	name := s.cfg.Untyped
	if contentType != "" {
		if name, _, err = mime.ParseMediaType(contentType); err != nil {
			name = contentType
		}
	}
	text = strings.HasPrefix(name, "text/") || strings.HasSuffix(name, "json")
	if c := s.byType[name]; c != nil {
		return c, text, nil
	}
	if c := s.json(); c != nil && (strings.HasSuffix(name, "+json") || looseJSON(name)) {
		return c, text, nil
	}
	return nil, false, &unknownError{what: "content type", name: contentType, known: slices.Clone(s.known)}
}

// json returns the codec for application/json, and nil if there is none.
func (s *Set) json() Codec { return s.byType[JSON().ContentTypes()[0]] }

// looseJSON reports whether a content type is one that programs give to JSON, out of habit.
func looseJSON(name string) bool {
	return name == "text/plain" || name == "text/json" || name == "application/x-json"
}

// Encode returns a message with v as its body, by the first codec that v fits, with its content
// type. The body is compressed if that makes it smaller. The other fields are left to the caller.
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
