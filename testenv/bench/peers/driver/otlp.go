package main

import (
	"context"
	"net"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // the exporter's default compression
)

type otlpTarget struct{ client plogotlp.GRPCClient }

func newOTLP(addr string) (target, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	return otlpTarget{plogotlp.NewGRPCClient(conn)}, nil
}

func (t otlpTarget) put(ctx context.Context, events [][]byte) error {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, e := range events {
		records.AppendEmpty().Body().SetStr(string(e))
	}
	_, err := t.client.Export(ctx, plogotlp.NewExportRequestFromLogs(logs), grpc.WaitForReady(true))
	return err
}

// otlpServer counts what an exporter sends.
type otlpServer struct {
	plogotlp.UnimplementedGRPCServer
	arrived func([]byte, int)
}

// Export implements plogotlp.GRPCServer.
func (s *otlpServer) Export(_ context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	logs := request.Logs()
	for i := range logs.ResourceLogs().Len() {
		scopes := logs.ResourceLogs().At(i).ScopeLogs()
		for k := range scopes.Len() {
			records := scopes.At(k).LogRecords()
			for n := range records.Len() {
				s.arrived([]byte(records.At(n).Body().Str()), 1)
			}
		}
	}
	return plogotlp.NewExportResponse(), nil
}

func otlpSink(_ context.Context, addr string, arrived func([]byte, int)) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	plogotlp.RegisterGRPCServer(server, &otlpServer{arrived: arrived})
	return server.Serve(listener)
}
