// Tempo in one process, for tests: `tempo CONFIG`. Its own program registers a codec for gRPC's
// "proto" while packages are initialised; with today's Go, gRPC's own comes after it and wins, and
// the first span ends the process. Here the codec is registered when all of that is over.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/drone/envsubst"
	"github.com/grafana/tempo/cmd/tempo/app"
	tempolog "github.com/grafana/tempo/pkg/util/log"
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/proto"
	"gopkg.in/yaml.v2"
)

// Messages made by gogo's generator encode themselves; all others are protobuf's.
type selfEncoding interface {
	Marshal() ([]byte, error)
	Reset()
	Unmarshal([]byte) error
}

type eitherCodec struct{}

func (eitherCodec) Name() string { return "proto" }

func (eitherCodec) Marshal(value any) ([]byte, error) {
	switch message := value.(type) {
	case selfEncoding:
		return message.Marshal()
	case proto.Message:
		return proto.Marshal(message)
	}
	return nil, fmt.Errorf("%T is no message", value)
}

func (eitherCodec) Unmarshal(bytes []byte, value any) error {
	switch message := value.(type) {
	case selfEncoding:
		message.Reset()
		return message.Unmarshal(bytes)
	case proto.Message:
		return proto.Unmarshal(bytes, message)
	}
	return fmt.Errorf("%T is no message", value)
}

func run(path string) error {
	var config app.Config
	config.RegisterFlagsAndApplyDefaults("", flag.NewFlagSet("tempo", flag.ContinueOnError))
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	expanded, err := envsubst.EvalEnv(string(text))
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict([]byte(expanded), &config); err != nil {
		return err
	}
	encoding.RegisterCodec(eitherCodec{})
	tempolog.InitLogger(&config.Server)
	tempo, err := app.New(config)
	if err != nil {
		return err
	}
	return tempo.Run()
}

func main() {
	err := errors.New("usage: tempo CONFIG")
	if len(os.Args) == 2 {
		err = run(os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tempo:", err)
		os.Exit(1)
	}
}
