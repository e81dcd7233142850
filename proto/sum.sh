#!/usr/bin/env bash
# One checksum a file: sources, settings, baseline and generated Go.
cd "$(dirname "$0")" && sha256sum dockline/v1/*.proto dockline/v1/*.pb.go dockline/connector/v1/*.proto dockline/connector/v1/*.pb.go buf.yaml buf.gen.yaml tools/go.mod $(ls baseline.binpb 2>/dev/null)
