package main

import (
	"context"
	"fmt"
	"os"

	"github.com/dockline/dockline/testenv/world"
)

// spoil changes one document in the ERP behind everybody's back and checks again: the check must find it.
func spoil(ctx context.Context, w *world.World, how string) (*world.Report, error) {
	erp, ok := w.ERP.(interface {
		Spoil(how string) (string, error)
	})
	if !ok {
		return nil, fmt.Errorf("only the sandbox ERP can be spoilt")
	}
	what, err := erp.Spoil(how)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "%s in the ERP: %s\n", how, what)
	return w.Check(ctx)
}
