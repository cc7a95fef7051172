package pool

import (
	"context"
	"slices"
)

// enqueueTraced is enqueueChecked in a span.
func (p *Pool) enqueueTraced(ctx context.Context, s Spec) (Receipt, error) {
	specs := []Spec{s}
	ctx, ended := p.cfg.Tracer.Enqueue(ctx, p.Name(), specs)
	r, err := p.enqueueChecked(ctx, specs[0])
	ended([]Receipt{r}, err)
	return r, err
}

// enqueueAllTraced is enqueueAllChecked in a span. The slice of the caller does not change.
func (p *Pool) enqueueAllTraced(ctx context.Context, specs []Spec) ([]Receipt, error) {
	specs = slices.Clone(specs)
	ctx, ended := p.cfg.Tracer.Enqueue(ctx, p.Name(), specs)
	receipts, err := p.enqueueAllChecked(ctx, specs)
	ended(receipts, err)
	return receipts, err
}
