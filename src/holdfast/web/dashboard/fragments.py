"""This exists so that the live hub and the pages render the same job from the same macro: one picture of a row, wherever it is sent.

The wire of `GET {base}/live` (server-sent events, UTF-8, one JSON object as `data` of each event)
--------------------------------------------------------------------------------------------------

What the browser asks for, in the query string (a POST with the same fields as a form when it would be longer than 6,000
characters):

    topics=stats,overview   comma list; any of `stats`, `overview`, `queues`, `workers`, `types`
    ids=<id>,<id>…          the jobs whose rows stand on the page
    list=jobs|running|worker  which table the rows belong to (a view profile: which row macro draws them), default `jobs`
    q=<search>              the filter of the page: for the counts of its tabs and for `new`
    sort=<sort>             the order of the page, only to know whether new rows would enter its first page
    job=<id>                the job page is open; `log_after=<n>` = number of the newest console line it shows
    seq=<n>                 `data-seq` of the page, or of the last event seen (also sent as `Last-Event-ID`)
    once=1                  answer with what changed since `seq`, then `bye`, then close (a tab that polls)

On connect the hub answers `hello`, then whatever changed after `seq` for what was asked; when it cannot know (no `seq`, or
one it has forgotten) it sends everything that was asked once: all rows of `ids`, the whole job, all lines after `log_after`, all topics.

    event: hello   {"seq": 81, "time": "2026-11-20T13:03:22.114Z", "build": "<asset_build()>"}
    event: stats   {"html": {"<element id>": "<outer html>", …}, "rate": 14.0}
                   rate = committed changes a second, all jobs. Sent ≤ 2/s. html = `topic_html(topic, …)` of the topics
    event: rows    {"html": {"<job id>": "<tr …>…</tr>"}, "gone": ["<job id>"], "left": ["<job id>"], "new": 3,
                    "tabs": "<nav …>", "rate": 14.0}
                   html = `row_html`; gone = deleted jobs; left = jobs that no longer match q (their html comes too);
                   new = how many jobs that match q were created since `seq` of the *page load* (absolute, not a step);
                   tabs = `tabs_html`, at most 2/s, absent when nothing changed. Message ≤ 64 KiB, ≤ 4/s
    event: job     {"id": "…", "html": {"job-head": "…", "job-status": "…", …}, "title": "Running: …"}
                   html = `job_html`. ≤ 10/s
    event: log     {"id": "…", "html": "<li …>…", "last": 411, "total": 411}
                   html = `log_html` of the new lines in order, ≤ 500 lines a message, ≤ 10/s
    event: gap     {}     something was dropped: the browser asks again without `seq`
    event: ping    {}     each 15 s; silence of more than 40 s is taken as broken
    event: bye     {"retry": 1000}   the server stops or the tab polled; come back after so many milliseconds

Every event carries `id: <seq>`. Fragments carry links, so they depend on where the app is mounted: the hub makes one
`View` per viewer with `view_of(request)` and caches by (job id, version, view).
"""
