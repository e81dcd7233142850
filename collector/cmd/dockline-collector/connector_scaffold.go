package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
)

type connectorScaffoldCommand struct {
	OpenAPI   string            `name:"openapi" required:"" type:"existingfile" help:"The system's OpenAPI 3 document, in JSON or YAML."`
	System    string            `required:"" help:"What the system is called in document references: square, erp."`
	Kind      []string          `help:"What is to be posted: order_create, goods_issue, invoice_trigger, stock_adjust, ...; by default those for which operations are found."`
	Operation map[string]string `help:"The operation for a use: --operation goods_issue.create=CreateShipment, or probe=ListLocations. By default the one whose name fits best."`
	Out       string            `type:"path" help:"The file to write, which must not be there; by default it is printed."`
}

// Help is shown below the usage.
func (connectorScaffoldCommand) Help() string {
	return `The definition that is written loads, and says CHECK wherever something was guessed or is not in the document: how a document is found again by its reference,
when it is as it should be, which errors mean what. It is safe as it stands: what is not mapped yet is a fault, or is shown to a person; nothing is made
twice for it. All operations of the document stand at its end.

    dockline-collector connector scaffold --openapi square.json --system square --operation order_create.find=SearchOrders --out square.yaml

Then name the file under settings.definition of the connector, and try it: dockline-collector connector try.

Exit code 0: it is written. 2: the document is none, or has no such operation.`
}

// Run writes the definition.
func (c *connectorScaffoldCommand) Run(*commands) error {
	text, err := os.ReadFile(c.OpenAPI)
	if err != nil {
		return err
	}
	if strings.ContainsAny(c.System, " \t\n:#'\"{}[]") || c.System == "" {
		return wrong("--system %q: write a name without blanks and signs: square", c.System)
	}
	s := connectorhttp.Scaffold{System: c.System, Operations: c.Operation}
	for _, kind := range c.Kind {
		s.Kinds = append(s.Kinds, connector.Kind(kind))
	}
	out, err := s.Write(c.OpenAPI, text)
	if err != nil {
		return wrongCall{err}
	}
	if c.Out == "" {
		_, err = os.Stdout.Write(out)
		return err
	}
	file, err := os.OpenFile(c.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if os.IsExist(err) {
		return wrong("%s is there and stays as it is", c.Out)
	}
	if err != nil {
		return err
	}
	if _, err = file.Write(out); err == nil {
		fmt.Printf("wrote %s; see to each place that says CHECK\n", c.Out)
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}
