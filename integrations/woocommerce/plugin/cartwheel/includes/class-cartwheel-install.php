<?php
/**
 * The table, its upkeep, and what is left when the plugin goes.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

/**
 * Makes the table when the plugin is switched on or was updated, and cleans it once a day.
 */
final class Cartwheel_Install {

	const SCHEMA        = '1';
	const SCHEMA_OPTION = 'cartwheel_schema';
	const PRUNE_HOOK    = 'cartwheel_prune';
	const BATCH         = 500; // Rows in one statement, so that no lock is held for long.
	const MOST_BATCHES  = 40;  // Of one day: 20,000 carts.

	/**
	 * Hooks in.
	 */
	public static function init() {
		add_action( self::PRUNE_HOOK, array( __CLASS__, 'prune' ) );
		add_action( 'admin_init', array( __CLASS__, 'upgrade' ) );
		add_action( 'wp_initialize_site', array( __CLASS__, 'upgrade' ), 900 );
	}

	/**
	 * Makes the table and the daily appointment.
	 */
	public static function activate() {
		self::make_table();
		if ( ! wp_next_scheduled( self::PRUNE_HOOK ) ) {
			wp_schedule_event( time() + HOUR_IN_SECONDS, 'daily', self::PRUNE_HOOK );
		}
	}

	/**
	 * Drops the appointment; the carts stay until the plugin is deleted.
	 */
	public static function deactivate() {
		wp_clear_scheduled_hook( self::PRUNE_HOOK );
	}

	/**
	 * Makes the table where it is not of this version: after an update, or on a new site of a network.
	 */
	public static function upgrade() {
		if ( self::SCHEMA !== get_option( self::SCHEMA_OPTION ) ) {
			self::activate();
		}
	}

	/**
	 * Deletes carts whose time is over.
	 */
	public static function prune() {
		$before = gmdate( 'Y-m-d H:i:s', time() - Cartwheel_Settings::get( 'keep_days' ) * DAY_IN_SECONDS );
		for ( $batch = 0; $batch < self::MOST_BATCHES; $batch++ ) {
			if ( Cartwheel_Checkouts::prune( $before, self::BATCH ) < self::BATCH ) {
				return;
			}
		}
	}

	/**
	 * Makes or changes the table. dbDelta wants two spaces after PRIMARY KEY, and one column on each line.
	 */
	private static function make_table() {
		global $wpdb;
		require_once ABSPATH . 'wp-admin/includes/upgrade.php';
		$table   = Cartwheel_Checkouts::table();
		$collate = $wpdb->get_charset_collate();
		dbDelta(
			"CREATE TABLE {$table} (
			token char(32) NOT NULL,
			status varchar(20) NOT NULL,
			email varchar(254) NOT NULL DEFAULT '',
			user_id bigint(20) unsigned NOT NULL DEFAULT 0,
			first_name varchar(100) NOT NULL DEFAULT '',
			last_name varchar(100) NOT NULL DEFAULT '',
			country varchar(2) NOT NULL DEFAULT '',
			locale varchar(20) NOT NULL DEFAULT '',
			cart longtext NOT NULL,
			consent tinyint(1) NOT NULL DEFAULT 0,
			consent_at datetime DEFAULT NULL,
			consent_text text DEFAULT NULL,
			source varchar(20) NOT NULL DEFAULT '',
			order_id bigint(20) unsigned NOT NULL DEFAULT 0,
			created_at datetime NOT NULL,
			updated_at datetime NOT NULL,
			PRIMARY KEY  (token),
			KEY email (email(100)),
			KEY updated_at (updated_at)
			) {$collate};"
		);
		update_option( self::SCHEMA_OPTION, self::SCHEMA, false );
	}
}
