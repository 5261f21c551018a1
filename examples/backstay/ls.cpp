#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

char kind_letter(const std::string& kind)
{
    return kind == "directory"          ? 'd'
           : kind == "symlink"          ? 'l'
           : kind == "block-device"     ? 'b'
           : kind == "character-device" ? 'c'
           : kind == "fifo"             ? 'p'
           : kind == "socket"           ? 's'
                                        : '-';
}

/// As ls(1) prints it: "-rwxr-xr-x".
std::string mode_text(const backstay::Record& entry)
{
    const auto mode = static_cast<unsigned>(entry.number("mode"));
    std::string text(1, kind_letter(entry.text("kind")));
    for (int shift = 8; shift >= 0; --shift) {
        text += (mode >> shift & 1U) != 0 ? "xwr"[shift % 3] : '-';
    }
    if ((mode & 04000U) != 0) {
        text[3] = text[3] == 'x' ? 's' : 'S';
    }
    if ((mode & 02000U) != 0) {
        text[6] = text[6] == 'x' ? 's' : 'S';
    }
    if ((mode & 01000U) != 0) {
        text[9] = text[9] == 'x' ? 't' : 'T';
    }
    return text;
}

std::string owner(const backstay::Record& entry, const char* name, const char* number)
{
    const std::string text = entry.text(name);
    return text.empty() ? std::to_string(entry.number(number)) : printable(text);
}

/// Of a folder: of all that is below it.
std::int64_t size_of(const backstay::Record& entry)
{
    return entry.number(entry.text("kind") == "directory" ? "bytes" : "size");
}

std::string line(const backstay::Record& entry, bool is_long)
{
    std::string path = path_text(entry.text("path"));
    if (!is_long) {
        return path;
    }
    const std::string target = entry.text("target");
    return fmt::format("{} {:>8} {:>8} {:>12} {:19} {}{}", mode_text(entry),
                       owner(entry, "user", "uid"), owner(entry, "group", "gid"), size_of(entry),
                       entry.has("modified") ? time_text(entry, "modified") : "-", path,
                       target.empty() ? "" : " -> " + printable(target));
}

int run(Invocation& invocation)
{
    const auto [name, path] = Invocation::split(invocation.positional("SNAPSHOT[:PATH]"));
    backstay::Options options = invocation.options("entries");
    const backstay::Repository repository = invocation.repository();
    const backstay::Snapshot snapshot = invocation.snapshot(repository, name);
    const bool is_long = invocation.has("long");
    return run_job(invocation, snapshot.entries(path, &options, &invocation.cancel()),
                   {[&](const backstay::Record& entry) {
                       invocation.terminal().result(line(entry, is_long));
                   }});
}

} // namespace

Command ls_command()
{
    return {"ls",
            "List what is in a snapshot",
            "backstay -r /mnt/backups ls latest:/etc --long",
            {{"SNAPSHOT[:PATH]",
              "An id, the beginning of one, 'latest' or 'latest~2'; and what in it"}},
            {"entries", "filter"},
            {"problems", "kind"},
            {{"long", "", "Modes, owners, sizes and times, too", 'l'}},
            run};
}

} // namespace command
