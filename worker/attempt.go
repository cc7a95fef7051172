package worker

type attempt struct{}
