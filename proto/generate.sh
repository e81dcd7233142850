#!/usr/bin/env bash
# Generates the Go of proto/, lints it, holds it against the baseline for compatibility, and records what was checked.
set -euo pipefail
cd "$(dirname "$0")"
bin=$PWD/../.build/proto
mkdir -p "$bin"
(cd tools && GOBIN=$bin go install github.com/bufbuild/buf/cmd/buf google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc)
export PATH=$bin:$PATH
buf lint
if [ -f baseline.binpb ]; then buf breaking --against baseline.binpb; fi
buf generate
if [ "${1:-}" = --baseline ]; then buf build -o baseline.binpb; fi
./sum.sh > checked.sum
