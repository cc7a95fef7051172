package worker
import ("fmt";"time")
func init(){ dbg = func(s *benchStore, r *Replica){ for { time.Sleep(3*time.Second); s.mu.Lock(); r.mu.Lock(); fmt.Printf("left %d done %d trips %d marker %d bell %d | held %d active %d outbox %d sending %v listening %v ringing %v work %d\n", s.left,s.done,s.trips,len(s.marker),len(s.bell),len(r.held),r.active,len(r.outbox),r.sending,r.listening,r.ringing,len(r.work)); for _,q:=range r.queues { fmt.Printf("%+v\n",*q)}; r.mu.Unlock(); s.mu.Unlock()}}}
