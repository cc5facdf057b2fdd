"""Words that SQL parsers know: as names of columns they are quoted."""

from __future__ import annotations

KEYWORDS = frozenset(
    """
abort abs absent absolute acceptanydate acceptinvchars access account action add addquotes admin after against
aggregate aggregation alert algorithm alias alignment all allocate allowoverwrite alter always analyze and anti any
application apply applybudget archive are array array_max_cardinality as asc asensitive asof assert asymmetric at
atomic attach audit authentication authorization authorizations auto autoextend_size autoincrement auto_increment
avg avg_row_length backup backward base64 base_location before begin begin_frame begin_partition bernoulli between
bigdecimal bigint bignumeric binary bind binding bit blanksasnull blob block bloom bloomfilter bool boolean boost
both box browse btree bucket buckets by bypassrls bytea bytes bzip2 cache call called canonical cardinality cascade
cascaded case cases cast catalog catalogs catalog_sync catch category ceil ceiling century chain change changes
change_tracking channel char character characteristics characters char_length check checksum circle class cleanpath
clear clob clone close cluster clustered clustering coalesce collatable collate collation collect collection column
columns columnstore comment commit committed commutator compatible compress compression compupdate compute
concurrently condition conflict connect connection connector connect_by_root constraint contact contains continue
convert copy copy_options corr corresponding cost count covar_pop covar_samp create createdb createrole credentials
cross csv cume_dist current current_catalog current_date current_path current_role current_row current_schema
current_time current_timestamp current_user cursor cycle data database databases date date32 dateformat datetime
datetime64 day dayofweek dayofyear days dcproperties deallocate dec decade decimal declare deduplicate default
defaults default_ddl_collation default_mfa_method default_secondary_roles deferrable deferred define defined definer
delay delayed delay_key_write delegated delete delimited delimiter delta dense_rank deny depends deref desc describe
detach detail deterministic dimensions directory disable discard disconnect distinct distinctrow distkey distribute
diststyle div do domain double dow downstream doy dry duo duplicate dynamic element else elseif empty emptyasnull
enable enable_schema_evolution encoding encrypted encryption end endpoint end_frame end_partition enforced engine
engine_attribute enroll enum enum16 enum8 ephemeral epoch equals error escape escaped estimate even event every
evolve except exception exchange exclude excluding exclusive exec execute execution exists exp expansion explain
explicit export extend extended extension external external_volume extract facts fail false family fetch fields file
files file_format fill filter final first first_value fixedstring fixedwidth flatten float float32 float4 float64
float8 floor flush fn following for force force_not_null force_null force_quote foreign format formatted forward
frame_row free freeze from fulfillment full fulltext function functions fusion future gb general generate generated
geography get gin gist global grant granted grants graphviz group grouping groups hash hashes having header
high_priority history hivevar hold hosts hour hours hugeint iam_role iceberg identified identity identity_insert if
ignore ignoreheader ilike immediate immutable import imported in include include_null_values including increment
incremental index indicator inherit initialize initially inner inout inpath inplace input inputformat insensitive
insert insert_method install instant instead int int128 int16 int2 int256 int32 int4 int64 int8 integer integration
internallength interpolate intersect intersection interval invisible invoker io is isodow isolation isoweek isoyear
items jar join json jsonb jsonfile json_table julian key keys key_block_size kill lag lambda language large last
last_value lateral lead leading leakproof least left leftarg level lifecycle like like_regex limit line lines list
listen listing ln load local localtime localtimestamp location lock locked log login logs long longblob longtext
lowcardinality lower low_priority ls macro main manage managed managedlocation manifest map masking match matched
matches match_condition match_recognize materialize materialized max maxfilesize maxvalue max_rows mb measures
mediumblob mediumint mediumtext member merge merges message metadata method metric metrics mfa microsecond
microseconds millenium millennium millisecond milliseconds min minus minute minutes minvalue min_rows mod mode
modifies modify module modulus monitor month months msck multirange_type_name multiset mutation name names
nanosecond nanoseconds national natural nchar nclob negator nest nested network new next nfc nfd nfkd no nobypassrls
nocompress nocreatedb nocreaterole nocycle noinherit nologin none noorder noreplication normalize normalized noscan
nosuperuser not nothing notify notnull nowait no_write_to_binlog nth_value ntile null nullable nullif nulls number
numeric nvarchar object objects occurrences_regex octets octet_length of off offset offsets old omit on one only
on_create on_schedule open openjson operate operator optimization optimize optimized optimizer_costs option options
or orc order ordinality organization other otp out outer output outputformat over overflow overlaps overlay override
overwrite owned owner ownership package packages pack_keys parallel parameter parquet part partial partition
partitioned partitions passedbyvalue passing passkey password path pattern pctfree per percent percentile_cont
percentile_disc percent_rank period permissive persistent pivot placing plain plan plans point policy polygon pool
portion position position_regex power pragma precedes preceding precision preferred prepare preserve preset prewhere
primary print prior privileges procedure processlist profile program projection purchase purge qualify quarter
queries query quote raise raiserror range rank raw rcfile read reads read_only real receive recluster recursive ref
references referencing refresh refresh_mode regclass regexp region regr_avgx regr_avgy regr_count regr_intercept
regr_r2 regr_slope regr_sxx regr_sxy regr_syy reindex relative relay release remainder remote remove removequotes
rename reorg repair repeatable replace replica replicate replication require reset resolve resource respect restart
restrict restricted restrictions restrictive result resultset resume retain return returning returns revoke right
rlike rm role roles rollup root row rowgroupsize rowid rows row_format row_number run safe safe_cast sample
savepoint schema schemas scope scroll search second secondary seconds secret secure security seed select
semantic_view send sensitive separator sequence sequencefile sequences serde serdeproperties serializable server
service session session_user set seterror setof sets settings share shared sharing signed similar simple size skip
smallint snapshot some sort sorted sortkey source spatial specific specifictype spgist sql sqlexception sqlstate
sqlwarning sql_big_result sql_buffer_result sql_calc_found_rows sql_no_cache sqrt stable stage start starts
statement static statistics stats_auto_recalc stats_persistent stats_sample_pages statupdate status stddev_pop
stddev_samp stdin stdout storage storage_integration stored straight_join stream strict string struct submultiset
subscript substr substring substring_regex subtype subtype_diff subtype_opclass succeeds sum super superuser support
suspend swap symmetric sync synonym system system_time system_user table tables tablesample tablespace tag target
target_lag task tblproperties temp temporary temptable terminated terse text textfile then throw ties time
timeformat timestamp timestamptz timestamp_ntz timetz timezone timezone_abbr timezone_hour timezone_minute
timezone_region tinyblob tinyint tinytext to top totals totp trace trailing tran transaction transient translate
translate_regex translation treat tree trigger trim trim_array true truncate truncatecolumns try try_cast
try_convert tsquery tsvector tuple type typmod_in typmod_out ubigint uescape uhugeint uint128 uint16 uint256 uint32
uint64 uint8 unbounded uncache uncommitted undefined unique unknown unlisten unload unlock unlogged unmatched unnest
unpivot unsafe unset unsigned until update upper url usage use user user_resources using usmallint utinyint vacuum
valid validate validation_mode value values value_of varbinary varbit varchar varchar2 variable variables varying
var_pop var_samp verbose version versioning versions view views virtual volatile volume waitfor warehouse warehouses
week weeks when whenever where while width_bucket window with within without without_array_wrapper work
workload_identity wrapper write xml xmlnamespaces xmltable xor year years yes zone zorder zstd
""".split()
)
