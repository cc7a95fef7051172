package calendar

import (
	"sync"
	"time"

	"github.com/6tail/lunar-go/HolidayUtil"
)

// chinaWorkdays returns the work days of China: Monday to Friday without the official
// holidays, and the days at weekends on which work was moved. The data is that of
// github.com/6tail/lunar-go, which has the announcements of the State Council from 2002 on.
// The announcement for a year is made in the autumn before.
var chinaWorkdays = sync.OnceValue(func() *Calendar {
	c := &Calendar{rule: isWeekday, days: map[time.Time]bool{}}
	for year := 2002; ; year++ {
		listed := HolidayUtil.GetHolidaysByYear(year)
		if listed.Len() == 0 {
			return c
		}
		for e := listed.Front(); e != nil; e = e.Next() {
			h := e.Value.(*HolidayUtil.Holiday)
			if day, err := time.Parse(time.DateOnly, h.GetDay()); err == nil {
				c.days[day] = h.IsWork()
			}
		}
		c.until = time.Date(year, time.December, 31, 0, 0, 0, 0, time.UTC)
	}
})
