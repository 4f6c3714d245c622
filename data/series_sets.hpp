#pragma once

#include <string>
#include <vector>

#include <weft/data/locate.hpp>
#include <weft/data/series.hpp>

namespace weft {

/// Finds ETTh1 of https://github.com/zhouhaoyi/ETDataset (17,420 hours of 7 series; Zhou et al. 2021, arXiv 2012.07436): ETTh1.csv, .gz or
/// plain, in --data, WEFT_DATA or the cache, each or its folder etth1 or ETT-small. Split as in that paper: 12, 4 and 4 months of 30 days.
/// `places.data` may also name a CSV file: any table that read_series takes, split 70/10/20 %, but in months where it is called ETTh1 or
/// ETTh2.
/// What was left out goes to `remarks`. Throws FormatError as read_series, and naming the places tried and what to do.
SeriesData find_etth1(const DataPlaces& places, std::vector<std::string>& remarks);

/// Names of what find_electricity knows.
std::vector<std::string> electricity_sets();

/// Finds an hourly form of ElectricityLoadDiagrams20112014 (https://archive.ics.uci.edu/dataset/321) as find_etth1 does, in the folder
/// electricity:
///   first1000h  electricity_first1000h_203clients.csv, split 60/20/20 %
///   2014        electricity_2014_10clients.csv
///   last840h    electricity_last840h_321clients.csv, split 60/20/20 %
///   mt200       LD_MT200_hour.csv
///   benchmark   electricity.csv: 321 clients, 26,304 hours (Lai et al. 2018, arXiv 1703.07015)
///   uci         LD2011_2014.txt: quarter hours of 370 clients, added to hours
/// split 70/10/20 % where nothing is said. Throws also ConfigError for another set.
SeriesData find_electricity(const std::string& set, const DataPlaces& places, std::vector<std::string>& remarks);

}  // namespace weft
