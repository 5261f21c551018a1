#include "documentation.hpp"

#include "option_table.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

std::string usage_of(const Command& command)
{
    std::string usage = fmt::format("backstay [-r REPO] {}", command.name);
    for (const Positional& positional : command.positionals) {
        switch (positional.count) {
        case Positional::Count::one:
            usage += fmt::format(" {}", positional.name);
            break;
        case Positional::Count::optional:
            usage += fmt::format(" [{}]", positional.name);
            break;
        case Positional::Count::any:
            usage += fmt::format(" [{}…]", positional.name);
            break;
        case Positional::Count::many:
            usage += fmt::format(" {}…", positional.name);
            break;
        }
    }
    return usage + " [options]" + (command.takes_rest ? " [-- COMMAND ARG…]" : "");
}

std::string description(const OptionRow& row)
{
    std::string text = row.help;
    if (!row.choices.empty() && row.placeholder.find('|') == std::string::npos) {
        text += fmt::format(" ({})", joined(row.choices, ", "));
    }
    const bool told = row.standard.empty() || row.is_flag() || row.standard == "0";
    return told ? text : text + fmt::format(" (default {})", row.standard);
}

std::string option_lines(const std::vector<OptionRow>& rows)
{
    Table table;
    for (const OptionRow& row : rows) {
        table.add({"  " + spelled(row), description(row)});
    }
    return joined(table.lines(), "\n");
}

/// roff takes '-' for a hyphen, and a '.' or a quote at the start of a line for itself.
std::string roff(const std::string& text)
{
    std::string out;
    for (const char c : text) {
        if (c == '-') {
            out += "\\-";
        } else if (c == '\\') {
            out += "\\e";
        } else {
            out += c;
        }
    }
    return out.rfind('.', 0) == 0 || out.rfind('\'', 0) == 0 ? "\\&" + out : out;
}

std::string roff_options(const std::vector<OptionRow>& rows)
{
    std::string out;
    for (const OptionRow& row : rows) {
        out += fmt::format(".TP\n.B {}\n{}\n", roff(spelled(row)), roff(description(row)));
    }
    return out;
}

constexpr const char* exit_text =
    "0 done; 1 failed, nothing committed; 2 wrong usage; 3 done, but with problems, which are "
    "listed; 4 interrupted; 5 check found damage.";

} // namespace

std::string help_of_all()
{
    Table table;
    for (const Command& command : commands()) {
        if (!command.hidden) {
            table.add({std::string("  ") + command.name, command.summary});
        }
    }
    return fmt::format("backstay: encrypted, deduplicated backups, proven whole\n\n"
                       "Usage: backstay [-r REPO] COMMAND [options]\n\nCommands:\n{}\n\n"
                       "Options of every command:\n{}\n\nFirst steps:\n"
                       "  backstay -r /mnt/backups init\n  backstay -r /mnt/backups backup /etc "
                       "/home\n  backstay -r /mnt/backups restore latest --to /tmp/back\n\n"
                       "'backstay help COMMAND' tells more.",
                       joined(table.lines(), "\n"), option_lines(global_options()));
}

std::string help_of(const Command& command)
{
    std::string out = fmt::format("{}\n\nUsage: {}\n", command.summary, usage_of(command));
    Table arguments;
    for (const Positional& positional : command.positionals) {
        arguments.add({std::string("  ") + positional.name, positional.help});
    }
    if (!command.positionals.empty()) {
        out += "\n" + joined(arguments.lines(), "\n") + "\n";
    }
    if (const auto rows = options_of(command); !rows.empty()) {
        out += "\n" + option_lines(rows) + "\n";
    }
    return out +
           fmt::format(
               "\nExample:\n  {}\n\n'backstay help' lists the options that every command has.",
               command.example);
}

std::string manual_of(const Command* command, const std::string& version)
{
    const std::string name =
        command != nullptr ? std::string("backstay-") + command->name : "backstay";
    const std::string summary =
        command != nullptr ? command->summary : "encrypted, deduplicated backups, proven whole";
    std::string out = fmt::format(
        ".TH \"{}\" 1 \"\" \"backstay {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n.SH "
        "SYNOPSIS\n.B {}\n",
        name, version, roff(name), roff(summary),
        roff(command != nullptr ? usage_of(*command) : "backstay [-r REPO] COMMAND [options]"));
    if (command != nullptr) {
        out += ".SH ARGUMENTS\n";
        for (const Positional& positional : command->positionals) {
            out += fmt::format(".TP\n.I {}\n{}\n", roff(positional.name), roff(positional.help));
        }
        out += ".SH OPTIONS\n" + roff_options(options_of(*command));
    } else {
        out += ".SH COMMANDS\n";
        for (const Command& each : commands()) {
            if (!each.hidden) {
                out += fmt::format(".TP\n.B backstay\\-{}(1)\n{}\n", each.name, roff(each.summary));
            }
        }
    }
    out += ".SH OPTIONS OF EVERY COMMAND\n" + roff_options(global_options());
    if (command != nullptr) {
        out += fmt::format(".SH EXAMPLE\n.nf\n{}\n.fi\n", roff(command->example));
    }
    return out + fmt::format(".SH EXIT STATUS\n{}\n", exit_text);
}

} // namespace command
