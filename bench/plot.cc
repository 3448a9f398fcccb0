// seqwal-bench plot: latency and throughput over concurrency, from lines of JSON, through gnuplot.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/commands.h"
#include "bench/figures.h"
#include "cli.h"

namespace seqwal::bench {
namespace {

struct PlotOptions {
  std::vector<std::string> files;
  std::string output;
};

constexpr std::array kMetrics = {"p50_us", "p99_us", "rec_s"};
using Point = std::array<double, kMetrics.size()>;

// What belongs to one line of the plot: by concurrency, all that was measured there.
using Series = std::map<double, std::vector<Point>>;

// "ordered 1 KiB"; with the file's name where there are several.
std::string name_of_series(const Json& object, const std::string& file) {
  std::string name = object.value("acks", std::string("?"));
  if (object.value("clients", std::string()) == "blocking") name += " blocking";
  const auto bytes = object.value("record_size", std::uint64_t{0});
  name += bytes % 1024 == 0 ? fmt::format(" {} KiB", bytes / 1024) : fmt::format(" {} B", bytes);
  return file.empty() ? name : fmt::format("{} {}", file, name);
}

bool has_numbers(const Json& object) {
  return object.is_object() && object.contains("concurrency") &&
         object["concurrency"].is_number() &&
         std::ranges::all_of(kMetrics, [&](const char* metric) {
           return object.contains(metric) && object[metric].is_number();
         });
}

// Lines of another kind are passed over. Nothing: the file cannot be read.
bool read_file(const std::string& path, const std::string& shown,
               std::map<std::string, Series>& all) {
  std::ifstream file(path);
  if (!file) return false;
  for (std::string line; std::getline(file, line);) {
    const Json object = Json::parse(line, nullptr, false);
    if (!has_numbers(object)) continue;
    Point point{};
    for (std::size_t i = 0; i < kMetrics.size(); ++i) {
      point.at(i) = object[kMetrics.at(i)].get<double>();
    }
    all[name_of_series(object, shown)][object["concurrency"].get<double>()].push_back(point);
  }
  return !file.bad();
}

double median(const std::vector<Point>& points, std::size_t metric) {
  std::vector<double> values;
  values.reserve(points.size());
  for (const Point& point : points) values.push_back(point.at(metric));
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// As gnuplot reads a string between single quotes.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') result += '\'';
    result += c == '\n' ? ' ' : c;
  }
  return result + "'";
}

std::string script_of(const std::map<std::string, Series>& all, const std::string& output) {
  std::string script =
      "set terminal svg size 1100,450 dynamic background rgb 'white' font 'sans,11'\n"
      "set output " +
      quoted(output) + "\n";
  std::size_t number = 0;
  for (const auto& [name, series] : all) {
    script += fmt::format("$data{} << END_OF_DATA\n", number++);
    for (const auto& [concurrency, points] : series) {
      script += fmt::format("{} {} {} {}\n", concurrency, median(points, 0), median(points, 1),
                            median(points, 2));
    }
    script += "END_OF_DATA\n";
  }
  script +=
      "set multiplot layout 1,2\nset key noenhanced top left\nset grid\nset logscale x 2\n"
      "set xlabel 'concurrency'\nset logscale y\nset ylabel 'latency, microseconds'\nplot ";
  number = 0;
  for (const auto& [name, series] : all) {
    script += fmt::format(
        "$data{0} using 1:2 with linespoints lc {2} pt 7 title {1}, "
        "$data{0} using 1:3 with linespoints lc {2} dt 2 pt 6 title {3}, ",
        number, quoted(name + " p50"), number + 1, quoted(name + " p99"));
    ++number;
  }
  script += "\nunset logscale y\nset yrange [0:*]\nset ylabel 'records a second'\nplot ";
  number = 0;
  for (const auto& [name, series] : all) {
    script += fmt::format("$data{} using 1:4 with linespoints lc {} pt 7 title {}, ", number,
                          number + 1, quoted(name));
    ++number;
  }
  return script + "\nunset multiplot\n";
}

// The file is made here: gnuplot would draw on its stdout where it cannot.
bool make_file(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "we");
  return file != nullptr && std::fclose(file) == 0;
}

tool::Exit draw(const std::string& script, const std::string& output) {
  if (!make_file(output)) {
    tool::diagnose("cannot write", output, std::strerror(errno));
    return tool::Exit::failed;
  }
  std::FILE* gnuplot = ::popen("gnuplot >/dev/null", "we");
  const bool written =
      gnuplot != nullptr && std::fwrite(script.data(), 1, script.size(), gnuplot) == script.size();
  const int status = gnuplot == nullptr ? -1 : ::pclose(gnuplot);
  if (written && status == 0) return tool::Exit::done;
  tool::diagnose("cannot draw", output, "gnuplot failed: is it installed (gnuplot-nox)?");
  return tool::Exit::failed;
}

tool::Exit plot(const PlotOptions& options) {
  std::map<std::string, Series> all;
  for (const std::string& file : options.files) {
    if (!read_file(file, options.files.size() > 1 ? file : "", all)) {
      tool::diagnose("cannot read", file, std::strerror(errno));
      return tool::Exit::failed;
    }
  }
  if (all.empty()) {
    tool::diagnose("nothing to plot", options.files[0],
                   "no line has concurrency, p50_us, p99_us and rec_s: pass what write, compare or "
                   "volume print with --json");
    return tool::Exit::usage;
  }
  return draw(script_of(all, options.output), options.output);
}

}  // namespace

void add_plot(CLI::App& app, tool::Action& action) {
  const auto options = std::make_shared<PlotOptions>();
  CLI::App& command = *app.add_subcommand("plot", "Draw latency and throughput over concurrency");
  command
      .add_option("FILE", options->files, "Lines of JSON, as write, compare and volume print them")
      ->required();
  command.add_option("-o,--output", options->output, "The SVG file to write")->required();
  command.footer(
      "Where a concurrency was measured several times, the median is drawn. Needs gnuplot.\n\n"
      "Example:\n"
      "  seqwal-bench volume --json > volume.jsonl && seqwal-bench plot volume.jsonl -o "
      "volume.svg");
  command.callback([options, &action] { action = [options] { return plot(*options); }; });
}

}  // namespace seqwal::bench
