package mapping

// Condition is a CEL expression over row["NAME"] that is true or false, for a plugin that decides by more than its columns.
type Condition struct{ expression *expression }

// NewCondition checks an expression.
func NewCondition(source string) (*Condition, error) {
	x, err := compileExpression(source, nil, wantBool)
	if err != nil {
		return nil, err
	}
	return &Condition{x}, nil
}

// Holds computes it for a row; a name that the row does not have is an error, as it is in a mapping.
func (c *Condition) Holds(row map[string]string) (bool, error) {
	yes, err := c.expression.eval(values{}, func([]string) map[string]string { return row })
	return yes == true, err
}
