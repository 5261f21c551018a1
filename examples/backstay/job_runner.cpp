#include "job_runner.hpp"

#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

constexpr std::int64_t look_around_ns = 100'000'000;

void show_problem(Invocation& invocation, const backstay::Record& record)
{
    std::string where = record.text("path");
    if (const std::string object = record.text("object"); !object.empty()) {
        where = where.empty() ? object : object + ": " + where;
    }
    const std::string source = record.text("source");
    if (where.empty()) {
        where = source.empty() ? "problem" : source;
    }
    invocation.terminal().warn(
        fmt::format("{}: {}", printable(where), printable(record.text("message"))));
}

std::string traffic_text(const backstay::Record& traffic)
{
    const auto size = [&traffic](const char* field) {
        return size_text(static_cast<std::uint64_t>(traffic.number(field)));
    };
    return fmt::format("requests: {} writes, {} reads, {} removes ({} repeated), {} sent, {} "
                       "received: about ${:.6f}",
                       traffic.number("writes"), traffic.number("reads"), traffic.number("removes"),
                       traffic.number("retries"), size("bytes_sent"), size("bytes_received"),
                       static_cast<double>(traffic.number("cost_millionths")) / 1e6);
}

/// Of the whole command, so far.
void show_traffic(Invocation& invocation)
{
    const std::optional<backstay::Record> traffic = invocation.traffic();
    if (!traffic) {
        return;
    }
    if (invocation.json()) {
        invocation.terminal().result(*traffic);
    } else if (invocation.verbose()) {
        invocation.terminal().say(traffic_text(*traffic));
    }
}

/// How far the packs that are needed have come out of the store's archive.
void show_thaw(Invocation& invocation, const backstay::Record& record)
{
    const bool all_asked = record.number("packs_archived") == 0;
    const std::int64_t coming = record.number("packs_thawing");
    if (all_asked && coming == 0) {
        return;
    }
    std::string line = fmt::format("{} of {} packs of {} ({} of {}) {}",
                                   all_asked ? coming : record.number("packs_archived"),
                                   record.number("packs"), record.text("contents"),
                                   size_text(static_cast<std::uint64_t>(record.number(
                                       all_asked ? "bytes_thawing" : "bytes_archived"))),
                                   size_text(static_cast<std::uint64_t>(record.number("bytes"))),
                                   all_asked ? "on the way out of the archive" : "in the archive");
    if (!all_asked && coming > 0) {
        line += fmt::format(", {} more on the way out", coming);
    }
    invocation.terminal().say(line);
}

void show(Invocation& invocation, const backstay::Record& record, const Printing& printing)
{
    const std::string type = record.type();
    if (type == "summary") {
        show_traffic(invocation);
    }
    if (invocation.json()) {
        invocation.terminal().result(record);
    } else if (type == "problem") {
        show_problem(invocation, record);
    } else if (type == "thaw") {
        show_thaw(invocation, record);
    } else if (type == "notice") {
        invocation.terminal().say(record.text("message"));
    } else if (type != "summary" && printing.show) {
        printing.show(record);
    }
}

int exit_status(const backstay::Record& summary)
{
    const std::string verdict = summary.text("verdict", "ok");
    const std::string command = summary.text("command");
    const bool proves = command == "check" || command == "scrub";
    if (verdict == "damaged" && proves) {
        return exit_damaged;
    }
    return verdict == "ok" ? exit_done : exit_problems;
}

} // namespace

int run_job(Invocation& invocation, backstay::Job job, const Printing& printing)
{
    bool has_summary = false; // which is the last record: no progress may follow it
    while (!job.ended()) {
        if (const std::optional<backstay::Record> record = job.next(look_around_ns)) {
            show(invocation, *record, printing);
            has_summary = has_summary || record->type() == "summary";
        }
        if (!job.ended() && !has_summary && invocation.terminal().wants_progress()) {
            invocation.terminal().progress(job.progress());
        }
    }
    invocation.terminal().clear_progress();
    try {
        const backstay::Record summary = job.finish();
        if (!invocation.json() && printing.finish) {
            printing.finish(summary);
        }
        return exit_status(summary);
    } catch (const backstay::Error& error) {
        throw JobFailed(error.status(), error.what(), error.subject());
    }
}

std::string problems_text(const backstay::Record& summary)
{
    const std::int64_t problems = summary.number("problems");
    return problems == 0 ? std::string()
                         : fmt::format(", {} problem{}", problems, problems == 1 ? "" : "s");
}

} // namespace command
