#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

/// What a database server's source kept of it.
std::vector<std::string> databases_of(const backstay::Record& source)
{
    std::vector<std::string> lines;
    if (!source.has("record") || !source.nested("record").has("databases")) {
        return lines;
    }
    const backstay::Record own = source.nested("record");
    for (const backstay::Record& database : own.nested("databases").records()) {
        const std::int64_t tables = database.number("tables");
        lines.push_back(fmt::format(
            "{}: {} table{}, {}", printable(database.text("name")), tables, tables == 1 ? "" : "s",
            size_text(static_cast<std::uint64_t>(database.number("bytes")))));
    }
    return lines;
}

void print(Terminal& terminal, const backstay::Record& snapshot)
{
    const auto line = [&terminal](const char* name, const std::string& value) {
        if (!value.empty()) {
            terminal.result(fmt::format("{:<10} {}", name, value));
        }
    };
    const auto amount = [&snapshot](const char* name) {
        return size_text(static_cast<std::uint64_t>(snapshot.number(name)));
    };
    line("id", snapshot.text("id"));
    line("time", time_text(snapshot, "time"));
    line("host", printable(snapshot.text("host")));
    line("user", printable(snapshot.text("user")));
    line("tags", printable(joined(snapshot.nested("tags").texts(), ", ")));
    line("comment", printable(snapshot.text("comment")));
    line("pinned", snapshot.flag("pinned") ? "yes: forget never takes it" : "");
    line("parent", snapshot.text("parent"));
    line("entries", fmt::format("{} ({} new, {} changed, {} unchanged)", snapshot.number("entries"),
                                snapshot.number("entries_new"), snapshot.number("entries_changed"),
                                snapshot.number("entries_unchanged")));
    line("size", fmt::format("{} ({} read, {} new, {} stored)", amount("bytes_source"),
                             amount("bytes_read"), amount("bytes_new"), amount("bytes_stored")));
    line("took", duration_text(snapshot.seconds("seconds")));
    line("made by", snapshot.text("program"));
    for (const backstay::Record& source : snapshot.nested("sources").records()) {
        std::vector<std::string> roots;
        for (const std::string& root : source.nested("roots").texts()) {
            roots.push_back(printable(root));
        }
        line("source",
             fmt::format("{} ({}): {}{}{}", printable(source.text("name")), source.text("kind"),
                         source.text("verdict"), roots.empty() ? "" : ", ", joined(roots, " ")));
        line("", printable(source.text("message")));
        if (source.has("record")) {
            line("server", printable(source.nested("record").text("server_version")));
        }
        for (const std::string& database : databases_of(source)) {
            line("database", database);
        }
    }
    line("verdict", snapshot.text("verdict"));
}

int run(Invocation& invocation)
{
    const backstay::Repository repository = invocation.repository();
    const backstay::Snapshot snapshot =
        invocation.snapshot(repository, invocation.positional("SNAPSHOT"));
    if (invocation.json()) {
        invocation.terminal().result(snapshot.record());
    } else {
        print(invocation.terminal(), snapshot.record());
    }
    if (snapshot.record().number("problems") == 0) {
        return exit_done;
    }
    backstay::Options problems("entries");
    problems.set_flag("problems");
    run_job(invocation, snapshot.entries("", &problems, &invocation.cancel()), {});
    return exit_done;
}

} // namespace

Command show_command()
{
    return {"show",
            "Tell all about a snapshot, its problems too",
            "backstay -r /mnt/backups show latest",
            {{"SNAPSHOT", "An id, the beginning of one, 'latest' or 'latest~2'"}},
            {"filter"},
            {"kind"},
            {},
            run};
}

} // namespace command
