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

std::string completions_bash()
{
    std::string with_value = "-r";
    for (const OptionRow& row : global_options()) {
        with_value += row.is_flag() ? "" : "|--" + row.key;
    }
    std::string out = "# bash completion for backstay\n_backstay() {\n    local "
                      "word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} "
                      "command=\n    local i\n"
                      "    for ((i = 1; i < COMP_CWORD; i++)); do\n        case ${COMP_WORDS[i]} "
                      "in\n            " +
                      with_value +
                      ") ((i++)) ;;\n            -*) ;;\n"
                      "            *) command=${COMP_WORDS[i]}; break ;;\n        esac\n    done\n "
                      "   case $command in\n";
    std::string names;
    std::string choices;
    const auto add_choices = [&choices](const std::string& command, const OptionRow& row) {
        if (!row.choices.empty()) {
            choices += fmt::format("        {}:--{}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); "
                                   "return ;;\n",
                                   command, row.key, joined(row.choices, " "));
        }
    };
    std::string general;
    for (const OptionRow& row : global_options()) {
        general += "--" + row.key + " ";
        add_choices("*", row);
    }
    for (const Command& command : commands()) {
        if (command.hidden) {
            continue;
        }
        names += std::string(command.name) + " ";
        std::string options;
        for (const OptionRow& row : options_of(command)) {
            options += "--" + row.key + " ";
            add_choices(command.name, row);
        }
        out += fmt::format("        {}) COMPREPLY=($(compgen -W '{}{}--help' -- \"$word\")) ;;\n",
                           command.name, options, general);
    }
    out +=
        fmt::format("        '') COMPREPLY=($(compgen -W '{}{}help' -- \"$word\")) ;;\n    esac\n"
                    "    case $command:$before in\n{}    esac\n",
                    names, general, choices);
    return out + "    [[ $word == -* || -z $command ]] || COMPREPLY+=($(compgen -f -- "
                 "\"$word\"))\n}\ncomplete -o filenames -F _backstay backstay\n";
}

std::string single_quoted(const std::string& text)
{
    std::string out;
    for (const char c : text) {
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return out;
}

std::string completions_zsh()
{
    std::string out = "#compdef backstay\n_backstay() {\n    local -a commands\n    commands=(\n";
    std::string cases;
    for (const Command& command : commands()) {
        if (command.hidden) {
            continue;
        }
        out += fmt::format("        '{}:{}'\n", command.name, single_quoted(command.summary));
        cases += fmt::format("        {}) _arguments", command.name);
        for (const OptionRow& row : options_of(command)) {
            std::string help = single_quoted(row.help);
            for (const char* special : {"[", "]", ":"}) {
                for (std::size_t at = help.find(special); at != std::string::npos;
                     at = help.find(special, at + 2)) {
                    help.insert(at, "\\");
                }
            }
            const std::string value =
                row.choices.empty() ? ":value:_files" : ":value:(" + joined(row.choices, " ") + ")";
            cases += fmt::format(" '--{}[{}]{}'", row.key, help, row.is_flag() ? "" : value);
        }
        cases += " '*:file:_files' ;;\n";
    }
    out += "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        "
           "return\n    fi\n    case $words[2] in\n";
    return out + cases + "    esac\n}\n_backstay \"$@\"\n";
}

std::string fish_value(const OptionRow& row)
{
    return row.is_flag()         ? ""
           : row.choices.empty() ? "-r "
                                 : fmt::format("-x -a '{}' ", joined(row.choices, " "));
}

std::string completions_fish()
{
    std::string out = "# fish completion for backstay\n";
    for (const Command& command : commands()) {
        if (command.hidden) {
            continue;
        }
        out += fmt::format("complete -c backstay -n __fish_use_subcommand -f -a {} -d '{}'\n",
                           command.name, single_quoted(command.summary));
        for (const OptionRow& row : options_of(command)) {
            out += fmt::format(
                "complete -c backstay -n '__fish_seen_subcommand_from {}' -l {} {}-d '{}'\n",
                command.name, row.key, fish_value(row), single_quoted(row.help));
        }
    }
    return out;
}

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

std::string completions_for(const std::string& shell)
{
    return shell == "bash"  ? completions_bash()
           : shell == "zsh" ? completions_zsh()
                            : completions_fish();
}

} // namespace command
