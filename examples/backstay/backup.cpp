#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

#include <filesystem>
#include <fmt/core.h>
#include <system_error>

namespace command
{

namespace
{

std::string amount(const backstay::Record& record, const char* name)
{
    return size_text(static_cast<std::uint64_t>(record.number(name)));
}

void show(Invocation& invocation, const backstay::Record& record)
{
    if (record.type() == "source" && !record.text("message").empty() &&
        record.text("verdict") == "ok") {
        invocation.terminal().warn(printable(record.text("message")));
    }
    if (record.type() != "entry") {
        return; // a source's verdict stands in the summary
    }
    const std::string change = record.text("change");
    const char letter = change == "new" ? 'N' : change == "modified" ? 'M' : 'U';
    invocation.terminal().result(fmt::format("{} {}", letter, printable(record.text("path"))));
}

void finish(Invocation& invocation, const backstay::Record& summary)
{
    Terminal& terminal = invocation.terminal();
    terminal.say(fmt::format("entries: {} new, {} changed, {} unchanged",
                             summary.number("entries_new"), summary.number("entries_changed"),
                             summary.number("entries_unchanged")));
    terminal.say(fmt::format("{} in all, {} read, {} new, {} stored, in {}",
                             amount(summary, "bytes_source"), amount(summary, "bytes_read"),
                             amount(summary, "bytes_new"), amount(summary, "bytes_stored"),
                             duration_text(summary.seconds("seconds"))));
    if (const std::int64_t problems = summary.number("problems"); problems > 0) {
        terminal.warn(fmt::format("{} problem{}: listed above and kept in the snapshot ('backstay "
                                  "show' tells them again)",
                                  problems, problems == 1 ? "" : "s"));
    }
    if (summary.flag("dry_run")) {
        terminal.result("dry run: nothing was stored");
    } else if (summary.flag("unchanged")) {
        terminal.result("nothing changed: no snapshot was made");
    } else {
        terminal.result(fmt::format("snapshot {} saved", short_id(summary.text("snapshot"))));
    }
}

/// An option that would do nothing is a mistake.
void refuse_idle_options(const Invocation& invocation)
{
    const backstay::Record keys = backstay::Options::describe("source.postgres");
    for (const backstay::Record& option : keys.records()) {
        const std::string key = option.text("key");
        if (!invocation.has("postgres") && invocation.has(key)) {
            throw UsageError(fmt::format("--{} needs --postgres CONNINFO", key));
        }
    }
}

/// Somebody who names it may mean the folder.
void warn_of_symlinks(Invocation& invocation, const std::vector<std::string>& paths)
{
    for (const std::string& path : paths) {
        std::error_code failure;
        if (!path.ends_with('/') && std::filesystem::is_symlink(path, failure) &&
            std::filesystem::is_directory(path, failure)) {
            invocation.terminal().warn(
                fmt::format("{} is a symlink and saved as one; {}/ is the folder that it leads to",
                            printable(path), printable(path)));
        }
    }
}

/// The one source that the command line names.
backstay::Source open_source(Invocation& invocation, std::string& name)
{
    const std::vector<std::string> paths = invocation.positionals("PATH");
    const bool from_lists = invocation.has("files-from") || invocation.has("files-from-raw");
    const int kinds =
        (!paths.empty() || from_lists ? 1 : 0) + (invocation.has("stdin-name") ? 1 : 0) +
        (invocation.has("command-name") ? 1 : 0) + (invocation.has("postgres") ? 1 : 0);
    if (kinds != 1) {
        throw UsageError(
            kinds == 0 ? "there is nothing to save: give paths, --stdin-name, --command-name or "
                         "--postgres"
                       : "paths, --stdin-name, --command-name and --postgres are one backup each");
    }
    refuse_idle_options(invocation);
    if (invocation.has("stdin-name")) {
        name = "stream";
        backstay::Options options("source.stream");
        options.add("name", invocation.value("stdin-name"));
        return backstay::Source::stream(invocation.engine(), options);
    }
    if (invocation.has("command-name")) {
        if (invocation.rest().empty()) {
            throw UsageError("--command-name needs a command behind '--'");
        }
        name = "stream";
        backstay::Options options("source.command");
        options.add("name", invocation.value("command-name"));
        for (const std::string& argument : invocation.rest()) {
            options.add("argument", argument);
        }
        return backstay::Source::command(invocation.engine(), options);
    }
    if (invocation.has("postgres")) {
        name = "postgres";
        backstay::Options options = invocation.options("source.postgres");
        options.add("conninfo", invocation.value("postgres"));
        return backstay::Source::postgres(invocation.engine(), options);
    }
    name = "files";
    warn_of_symlinks(invocation, paths);
    backstay::Options options = invocation.options("source.tree");
    for (const std::string& path : paths) {
        options.add("path", path);
    }
    return backstay::Source::tree(invocation.engine(), options);
}

int run(Invocation& invocation)
{
    std::string name;
    const backstay::Source source = open_source(invocation, name);
    const backstay::Options options = invocation.options("backup");
    const backstay::Repository repository = invocation.repository();
    backstay::Backup backup(repository, &options);
    backup.add(name, source);
    return run_job(invocation, backup.start(&invocation.cancel()),
                   {[&](const backstay::Record& record) { show(invocation, record); },
                    [&](const backstay::Record& summary) { finish(invocation, summary); }});
}

} // namespace

Command backup_command()
{
    return {"backup",
            "Save directory trees, a stream, a command's output or a server as a snapshot",
            "backstay -r /mnt/backups backup /etc /home --exclude '*.tmp' --tag nightly",
            {{"PATH", "A folder or file to save", Positional::Count::any}},
            {"backup", "source.tree", "source.postgres"},
            {"path", "conninfo"},
            {{"stdin-name", "NAME", "Save standard input as one file of this name"},
             {"command-name", "NAME",
              "Save the output of the command behind '--' as one file of this name; its exit "
              "status decides"},
             {"postgres", "CONNINFO",
              "Save a PostgreSQL server (connection string or URI, without a password)"}},
            run,
            true};
}

} // namespace command
