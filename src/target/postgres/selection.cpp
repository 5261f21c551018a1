#include "target/postgres/selection.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace backstay::core
{

namespace
{

constexpr std::array<std::string_view, 5> relations{"TABLE", "FOREIGN TABLE", "VIEW",
                                                    "MATERIALIZED VIEW", "SEQUENCE"};

/// Their tag is "table name": they belong to that table, whatever else they need.
constexpr std::array<std::string_view, 7> named_by_table{
    "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "TRIGGER", "RULE", "POLICY", "DEFAULT"};

/// They belong to what they depend on.
constexpr std::array<std::string_view, 14> attached{
    "TABLE DATA",   "SEQUENCE",   "SEQUENCE OWNED BY", "SEQUENCE SET",           "INDEX",
    "TABLE ATTACH", "STATISTICS", "STATISTICS DATA",   "MATERIALIZED VIEW DATA", "ROW SECURITY",
    "INDEX ATTACH", "ACL",        "COMMENT",           "SECURITY LABEL"};

/// They make two things one: both must come.
constexpr std::array<std::string_view, 2> joining{"TABLE ATTACH", "INDEX ATTACH"};

constexpr std::array<std::string_view, 4> data_without_block{"SEQUENCE SET", "STATISTICS DATA",
                                                             "MATERIALIZED VIEW DATA", "BLOBS"};

template <typename List>
bool is_one_of(const List& list, std::string_view kind)
{
    return std::find(list.begin(), list.end(), kind) != list.end();
}

bool is_data(const PostgresTocEntry& entry)
{
    return entry.has_data || is_one_of(data_without_block, entry.kind);
}

/// Why an entry comes.
enum class Why : std::uint8_t {
    not_at_all,
    needed, ///< by one that is wanted: without its rows
    wanted,
};

class Selector
{
public:
    Selector(const PostgresToc& contents, const PostgresSelectionRules& rules)
        : entries_(contents.entries()), rules_(rules), why_(entries_.size(), Why::not_at_all)
    {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            index_[entries_[i].dump_id] = i;
            if (entries_[i].kind == "SCHEMA") {
                schemas_[entries_[i].tag] = i;
            }
        }
    }

    PostgresSelection run()
    {
        selection_.everything = rules_.tables.empty() && rules_.schemas.empty();
        if (selection_.everything) {
            why_.assign(entries_.size(), Why::wanted);
        } else {
            choose_tables();
            choose_schemas();
            add_partitions();
            add_needed();
            add_attached();
            leave_out_dangling();
            add_needed();
        }
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (is_chosen(i) && is_wanted(entries_[i])) {
                selection_.entries.push_back(&entries_[i]);
            }
        }
        return std::move(selection_);
    }

private:
    bool is_chosen(std::size_t at) const { return why_[at] != Why::not_at_all; }

    bool is_wanted(const PostgresTocEntry& entry) const
    {
        if (entry.kind == "SCHEMA" && rules_.existing_schemas.count(std::string(entry.tag)) > 0) {
            return false;
        }
        return is_data(entry) ? !rules_.schema_only : !rules_.data_only;
    }

    void choose_tables()
    {
        for (const PostgresTablePattern& wanted : rules_.tables) {
            const bool found = choose([&wanted](const PostgresTocEntry& entry) {
                return is_one_of(relations, entry.kind) && entry.tag == wanted.table &&
                       (!wanted.schema || entry.schema == *wanted.schema);
            });
            if (!found) {
                selection_.unknown.push_back(wanted.schema ? *wanted.schema + "." + wanted.table
                                                           : wanted.table);
            }
        }
    }

    void choose_schemas()
    {
        for (const std::string& wanted : rules_.schemas) {
            const bool found = choose([&wanted](const PostgresTocEntry& entry) {
                return entry.schema == wanted || (entry.kind == "SCHEMA" && entry.tag == wanted);
            });
            if (!found) {
                selection_.unknown.push_back(wanted);
            }
        }
    }

    template <typename Matches>
    bool choose(Matches matches)
    {
        bool found = false;
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (matches(entries_[i])) {
                why_[i] = Why::wanted;
                found = true;
            }
        }
        return found;
    }

    /// A partition comes with the table it is attached to, and so on.
    void add_partitions()
    {
        bool more = true;
        while (more) {
            more = false;
            for (const PostgresTocEntry& entry : entries_) {
                const std::size_t child =
                    entry.kind == "TABLE ATTACH" ? partition_of(entry) : entries_.size();
                if (child < entries_.size() && !is_chosen(child)) {
                    why_[child] = Why::wanted;
                    more = true;
                }
            }
        }
    }

    /// The table that `attach` makes a partition of one that is chosen; else none.
    std::size_t partition_of(const PostgresTocEntry& attach) const
    {
        // Its tag and schema are the partition's; the other one that it depends on is the parent.
        std::size_t child = entries_.size();
        bool parent_chosen = false;
        for (const std::int32_t id : attach.dependencies) {
            const auto found = index_.find(id);
            if (found == index_.end()) {
                continue;
            }
            const PostgresTocEntry& table = entries_[found->second];
            if (table.tag == attach.tag && table.schema == attach.schema) {
                child = found->second;
            } else {
                parent_chosen = parent_chosen || is_chosen(found->second);
            }
        }
        return parent_chosen ? child : entries_.size();
    }

    /// What belongs to a thing stands behind it.
    void add_attached()
    {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            const PostgresTocEntry& entry = entries_[i];
            if (is_chosen(i)) {
                continue;
            }
            Why why = Why::not_at_all;
            if (is_one_of(named_by_table, entry.kind)) {
                why = why_by_table(entry);
            } else if (is_one_of(attached, entry.kind)) {
                why = why_by_dependencies(entry);
            }
            why_[i] = why == Why::needed && entry.has_data ? Why::not_at_all : why;
        }
    }

    /// By the table of its tag.
    Why why_by_table(const PostgresTocEntry& entry) const
    {
        for (const std::int32_t id : entry.dependencies) {
            const auto found = index_.find(id);
            if (found == index_.end()) {
                continue;
            }
            const PostgresTocEntry& table = entries_[found->second];
            if (is_one_of(relations, table.kind) && table.schema == entry.schema &&
                entry.tag.size() > table.tag.size() && entry.tag.starts_with(table.tag) &&
                entry.tag[table.tag.size()] == ' ') {
                return why_[found->second];
            }
        }
        return Why::not_at_all;
    }

    Why why_by_dependencies(const PostgresTocEntry& entry) const
    {
        Why most = Why::not_at_all;
        Why least = Why::wanted;
        for (const std::int32_t id : entry.dependencies) {
            const auto found = index_.find(id);
            const Why why = found != index_.end() ? why_[found->second] : Why::not_at_all;
            most = std::max(most, why);
            least = std::min(least, why);
        }
        return is_one_of(joining, entry.kind) && !entry.dependencies.empty() ? least : most;
    }

    /// What a chosen thing depends on stands before it.
    void add_needed()
    {
        if (!rules_.into_new) {
            return;
        }
        for (std::size_t i = entries_.size(); i-- > 0;) {
            if (!is_chosen(i)) {
                continue;
            }
            for (const std::int32_t id : entries_[i].dependencies) {
                const auto found = index_.find(id);
                if (found != index_.end() && entries_[found->second].section == section_pre_data) {
                    need(found->second);
                }
            }
            if (const auto schema = schemas_.find(entries_[i].schema); schema != schemas_.end()) {
                need(schema->second);
            }
        }
    }

    void need(std::size_t at) { why_[at] = std::max(why_[at], Why::needed); }

    /// A key of a table whose rows do not come cannot be referred to.
    void leave_out_dangling()
    {
        for (std::size_t i = 0; i < entries_.size() && rules_.into_new; ++i) {
            const PostgresTocEntry& entry = entries_[i];
            if (!is_chosen(i) || entry.kind != "FK CONSTRAINT") {
                continue;
            }
            const bool whole = std::all_of(
                entry.dependencies.begin(), entry.dependencies.end(), [this](std::int32_t id) {
                    const auto found = index_.find(id);
                    return found == index_.end() || why_[found->second] == Why::wanted;
                });
            if (!whole) {
                why_[i] = Why::not_at_all;
                selection_.left_out.push_back(&entry);
            }
        }
    }

    const std::vector<PostgresTocEntry>& entries_;
    const PostgresSelectionRules& rules_;
    std::vector<Why> why_;
    std::unordered_map<std::int32_t, std::size_t> index_;
    std::unordered_map<std::string_view, std::size_t> schemas_;
    PostgresSelection selection_;
};

/// A name up to a dot outside of quotes; moves `rest` behind it.
std::string take_name(const std::string& text, std::string_view& rest)
{
    std::string name;
    bool quoted = false;
    std::size_t at = 0;
    for (; at < rest.size() && (quoted || rest[at] != '.'); ++at) {
        if (rest[at] != '"') {
            name += rest[at];
        } else if (quoted && at + 1 < rest.size() && rest[at + 1] == '"') {
            name += rest[at++];
        } else {
            quoted = !quoted;
        }
    }
    if (quoted || name.empty()) {
        throw Error(ErrorCode::invalid,
                    "a table is named by TABLE or SCHEMA.TABLE, in double quotes where a name has "
                    "dots or quotes in it",
                    text);
    }
    rest.remove_prefix(at);
    return name;
}

} // namespace

PostgresTablePattern parse_postgres_table(const std::string& text)
{
    std::string_view rest = text;
    PostgresTablePattern pattern;
    pattern.table = take_name(text, rest);
    if (rest.empty()) {
        return pattern;
    }
    rest.remove_prefix(1);
    pattern.schema = std::move(pattern.table);
    pattern.table = take_name(text, rest);
    if (!rest.empty()) {
        throw Error(ErrorCode::invalid, "a table is named by TABLE or SCHEMA.TABLE", text);
    }
    return pattern;
}

PostgresSelection select_postgres_entries(const PostgresToc& contents,
                                          const PostgresSelectionRules& rules)
{
    return Selector(contents, rules).run();
}

} // namespace backstay::core
